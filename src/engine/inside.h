#pragma once
/// What the model does with single tokens while they go through it: experts, window, compressed entries.
/// Source: architecture.md sections 3 to 6.

#include <span>
#include <vector>

#include "model/config.h"
#include "model/trace.h"

namespace fathom {

/// One layer and one token.
struct InsideLayer {
  std::vector<int32_t> experts;       ///< ascending
  std::vector<float> expert_weights;  ///< of these, with routed_scaling_factor in them
  AttentionRow attention;
};

/// One token's way through the main layers.
struct InsideView {
  std::vector<InsideLayer> layers;
};

/// Watches rows of one forward pass. It only looks: no bit of the pass changes, other rows cost nothing.
class InsideTrace final : public Trace<float> {
 public:
  explicit InsideTrace(const ModelConfig& config) : config_(config) {}

  /// Before the pass: `row` of its batch. Views come in the order of the calls.
  void watch(int64_t row);
  bool watches() const { return !rows_.empty(); }
  std::vector<InsideView>& views() { return views_; }

  void streams(int64_t, const float*, int64_t, int64_t) override {}
  void router(int64_t layer, const int32_t* ids, const float* weights, int64_t rows, int64_t k) override;
  void indexer(int64_t, const int32_t*, int64_t, int64_t) override {}
  std::span<const int64_t> attention_rows() const override { return rows_; }
  void attention(int64_t layer, size_t which, AttentionRow row) override;

 private:
  const ModelConfig& config_;
  std::vector<int64_t> rows_;
  std::vector<InsideView> views_;
};

}  // namespace fathom

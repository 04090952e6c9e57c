#pragma once
/// Observer of a forward pass: golden tests, `fathom logits --trace`, `inspect`.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fathom {

/// What one query of a layer read. The weights are means over the heads; with the sink's they sum to 1.
struct AttentionRow {
  int64_t first_position = 0;  ///< where the window begins
  std::vector<float> window;   ///< weights of its tokens
  float sink = 0;
  int64_t visible = 0;               ///< compressed entries that it may read
  std::vector<int32_t> entries;      ///< those that it read, ascending
  std::vector<float> entry_weights;  ///< of these
  std::vector<float> scores;         ///< the indexer's, of these (CSA); HCA reads all: empty
};

/// Values come as doubles' or floats' rows of the batch; layers >= num_hidden_layers are draft blocks.
template <class Real>
class Trace {
 public:
  virtual ~Trace() = default;
  /// streams [rows, n, D] after the block.
  virtual void streams(int64_t layer, const Real* values, int64_t rows, int64_t width) = 0;
  /// ids [rows, k] ascending, weights [rows, k] with routed_scaling_factor in them.
  virtual void router(int64_t layer, const int32_t* ids, const Real* weights, int64_t rows, int64_t k) = 0;
  /// ids [rows, width] chosen entries ascending, -1 last.
  virtual void indexer(int64_t layer, const int32_t* ids, int64_t rows, int64_t width) = 0;
  /// Whether capture() is called, for the price of attention over all visible entries.
  virtual bool wants_capture() const { return false; }
  /// shares [rows]: of the attention mass that a row would give to all visible entries of a CSA layer, what
  /// the chosen ones have; 1 where all were chosen.
  virtual void capture(int64_t /*layer*/, const double* /*shares*/, int64_t /*rows*/) {}
  /// Rows of the batch whose attention() is wanted: their weights are computed once more.
  virtual std::span<const int64_t> attention_rows() const { return {}; }
  /// @param which place of the row in attention_rows()
  virtual void attention(int64_t /*layer*/, size_t /*which*/, AttentionRow /*row*/) {}  // NOLINT
};

}  // namespace fathom

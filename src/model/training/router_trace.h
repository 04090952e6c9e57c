#pragma once
/// Sees what routers choose while a training batch runs forward.

#include <vector>

#include "base/error.h"
#include "model/trace.h"
#include "model/training/loss.h"
#include "model/training/loss_part.h"

namespace fathom {

/// Counts each expert's tokens by layer, or records the routes; either may be null.
template <class Real>
class RouterTrace : public Trace<Real> {
 public:
  /// @param part points to the part under way, whenever a router runs
  RouterTrace(const ModelConfig& config, const TrainingBatch& batch, const LossPart* const& part,
              std::vector<std::vector<int64_t>>* loads, RouteRecord* record)
      : config_(config), batch_(batch), part_(part), loads_(loads), record_(record) {}
  void streams(int64_t, const Real*, int64_t, int64_t) override {}
  void indexer(int64_t, const int32_t*, int64_t, int64_t) override {}
  void router(int64_t layer, const int32_t* ids, const Real*, int64_t rows, int64_t k) override {
    const auto l = static_cast<size_t>(layer);
    for (int64_t i = 0; loads_ && i < rows * k; ++i) ++(*loads_)[l][static_cast<size_t>(ids[i])];
    for (size_t d = part_->first; record_ && d < part_->last; ++d) {
      const int64_t count = part_->rows_of(config_, batch_[d], layer) * k;
      auto& out = record_->ids[d][l];
      out.insert(out.end(), ids, ids + count);
      ids += count;
    }
  }

 private:
  const ModelConfig& config_;
  const TrainingBatch& batch_;
  const LossPart* const& part_;
  std::vector<std::vector<int64_t>>* loads_;
  RouteRecord* record_;
};

/// The recorded routes of a part's rows in a layer. Throws Error(bad_input) if the record is not of this
/// batch or names experts that there are not.
inline std::vector<int32_t> recorded_routes(const ModelConfig& config, const TrainingBatch& batch,
                                            const LossPart& part, const RouteRecord& record, int64_t layer) {
  const int64_t k = config.num_experts_per_tok;
  const auto l = static_cast<size_t>(layer);
  std::vector<int32_t> out;
  for (size_t d = part.first; d < part.last; ++d) {
    const int64_t count = part.rows_of(config, batch[d], layer) * k, first = part.from * k;
    if (count == 0) continue;
    if (d >= record.ids.size() || l >= record.ids[d].size() || std::ssize(record.ids[d][l]) < first + count) {
      bad_input("routes: expected those of document {} in layer {}, found fewer", d, layer);
    }
    const auto from = record.ids[d][l].begin() + first;
    out.insert(out.end(), from, from + count);
  }
  for (const int32_t id : out) {
    if (id < 0 || id >= config.n_routed_experts) {
      bad_input("routes: expected experts below {}, found {}", config.n_routed_experts, id);
    }
  }
  return out;
}

}  // namespace fathom

#include "engine/inside.h"

#include <utility>

namespace fathom {

void InsideTrace::watch(int64_t row) {
  rows_.push_back(row);
  views_.emplace_back().layers.resize(static_cast<size_t>(config_.num_hidden_layers));
}

void InsideTrace::router(int64_t layer, const int32_t* ids, const float* weights, int64_t, int64_t k) {
  if (layer >= config_.num_hidden_layers) return;
  for (size_t i = 0; i < rows_.size(); ++i) {
    InsideLayer& out = views_[i].layers[static_cast<size_t>(layer)];
    out.experts.assign(ids + rows_[i] * k, ids + (rows_[i] + 1) * k);
    out.expert_weights.assign(weights + rows_[i] * k, weights + (rows_[i] + 1) * k);
  }
}

void InsideTrace::attention(int64_t layer, size_t which, AttentionRow row) {
  if (layer < config_.num_hidden_layers)
    views_[which].layers[static_cast<size_t>(layer)].attention = std::move(row);
}

}  // namespace fathom

#pragma once
/// Which rows of a training batch run together.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "model/kv_state.h"
#include "model/training/batch.h"

namespace fathom {

/// Rows that run together: whole documents, or a chunk of one that is longer than a group may be.
struct LossPart {
  size_t first = 0, last = 0;                                  ///< documents of the batch
  int64_t from = 0, to = std::numeric_limits<int64_t>::max();  ///< positions of each
  std::vector<KvState*> states;                                ///< of each document, for the forward pass
  std::vector<KvState*> again;  ///< where layers run again from; chunks: forks of the same
  bool losses = true;           ///< false: the states go on to the next chunk, nothing else

  /// Rows of a document that a layer runs on: the MTP block has none for the last token.
  int64_t rows_of(const ModelConfig& config, const TrainingDocument& d, int64_t layer) const {
    const int64_t size = d.size() - (layer >= config.num_hidden_layers ? 1 : 0);
    return std::max<int64_t>(0, std::min(to, size) - from);
  }
};

}  // namespace fathom

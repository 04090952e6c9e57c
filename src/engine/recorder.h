#pragma once
/// Runs a token sequence through the model and keeps what a golden vector or `fathom logits` shows of it.

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

/// Values of one layer at all positions.
struct LayerRecord {
  std::vector<float> streams;         ///< [T, n, D]
  std::vector<int32_t> router_ids;    ///< [T, k]
  std::vector<float> router_weights;  ///< [T, k]
  std::vector<int32_t> indexer;       ///< [T, indexer_width], -1 filled; CSA layers
  int64_t indexer_width = 0;
};

struct SequenceRecord {
  std::vector<float> logits;              ///< [T, V]
  std::vector<float> mtp_logits;          ///< [T-1, V], if asked for and there is a block
  std::map<int64_t, LayerRecord> layers;  ///< if traced; layers >= num_hidden_layers are draft blocks
};

struct RecordOptions {
  int64_t chunk = 512;      ///< prefill chunk; 1 = token by token
  int64_t first_chunk = 0;  ///< of the first chunk, if another: a prompt that is then continued by `chunk`
  bool mtp = false;
  bool trace = false;
  int64_t kept_bytes = 0;  ///< of earlier results, which count towards the runtime's bound on memory
};

/// Bytes that a record of so many tokens takes.
int64_t record_bytes(const Model& model, int64_t tokens, const RecordOptions& options);

/// Runs tokens from an empty state in chunks. Throws Error(bad_input) for more than the model's context,
/// Error(out_of_memory) beyond the runtime's bound (model/memory_limit.h).
template <class Real>
SequenceRecord record_sequence(Runtime<Real>& runtime, const Model& model, std::span<const int32_t> tokens,
                               const RecordOptions& options = {});

}  // namespace fathom

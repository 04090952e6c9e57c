#pragma once
/// What a training pass needs beside weights, gradients and optimizer: known before a run starts.

#include "model/config.h"
#include "model/training/loss.h"

namespace fathom {

/// Bytes of scratch memory in a float model at the most loaded moment of each part.
struct TrainingMemory {
  int64_t streams =
      0;  ///< what is kept all the time: the streams that enter each layer, their gradient, kept layers
  int64_t layer = 0;  ///< the largest layer, run again and on its way back
  int64_t head = 0;   ///< head and cross-entropy
  int64_t mtp = 0;    ///< the MTP block with its own layer and head; 0 without
  /// The peak: one of layer, head and mtp beside the streams, and an eighth for the ends of memory blocks.
  int64_t peak() const;
};

/// @param tokens a group's: the whole batch's or options.group_tokens, whichever is less
/// @param longest the longest document of a batch (entries that a query may read)
/// @param quantised FP8 and FP4 training, whose products have copies of their inputs along either direction
/// All of an expert's rows are taken to be all tokens, so the true peak lies below.
TrainingMemory training_memory(const ModelConfig& config, const LossOptions& options, int64_t tokens,
                               int64_t longest, bool quantised = false);

}  // namespace fathom

#pragma once
/// Random checkpoints of any geometry: a start for training, and files to test, open and measure with.
/// Source: architecture.md sections 9 (layout) and 13 (initial mHC).

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/inventory.h"

namespace fathom {

struct SyntheticOptions {
  WeightFormat format = WeightFormat::bf16;
  uint64_t seed = 0;
  /// Matrices of 65,536 values and more, with their scales, are holes of the file: they read as zeros and
  /// take no disk space. Norms, mHC, sinks, ape, biases and tid2eid are always real.
  bool sparse = false;
  int64_t max_shard_bytes = int64_t{5} << 30;
  std::function<void(int64_t done_bytes, int64_t total_bytes)> progress = {};
};

/// The config as the checkpoint in `format` states it: quantised or not, dtype, expert_dtype.
ModelConfig config_for(ModelConfig config, WeightFormat format);

/// Writes config.json and the weights (official names, one file or shards and index) into `folder`. Every
/// value is a function of seed, tensor name and position alone, so that any number of threads writes the same
/// bytes.
///
/// Matrices are uniform with standard deviation 1 / sqrt(columns), those that end in the residual streams
/// (wo_b, w2) smaller by sqrt(2 x layers); embedding 1; norms 1; sinks and biases 0. mHC starts as a plain
/// residual stream: scale .01, pre 1/n, post 1, comb near the identity. tid2eid has distinct experts in each
/// row. Throws Error(bad_input) if the geometry does not fit the format or the folder holds a checkpoint,
/// Error(io).
void write_synthetic(const std::filesystem::path& folder, const ModelConfig& config, ThreadPool& pool,
                     const SyntheticOptions& options = {});

}  // namespace fathom

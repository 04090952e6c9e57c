#pragma once
/// fathom bench training: steps of a recipe's geometry on made-up tokens, part by part, beside the peak of
/// the machine.

#include <string>

#include "engine/bench/bench.h"

namespace fathom {

struct TrainingBenchOptions {
  std::string recipe;     ///< a recipe's file: the model, its last sparse stage's row, batch and precision
  int64_t batch = 0;      ///< tokens of a step; 0: the stage's
  bench::Options common;  ///< threads, target, seconds, progress
};

/// Times whole steps as a run takes them (copies made again, forward and backward, gradient norm, Muon and
/// AdamW), and within them attention, experts, hyper-connections, head, MTP, and all matrix products. Throws
/// Error.
bench::Report training_bench(const TrainingBenchOptions& options);

}  // namespace fathom

#pragma once
/// What this machine can do at most: bytes read from memory and multiply-adds per second, on all threads of a
/// pool.

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"
#include "kernels/target.h"

namespace fathom {

struct MachineMeasure {
  double read_bandwidth = 0;  ///< bytes per second, reading memory far larger than the caches
  double peak_f32 = 0;        ///< FLOP per second
  double peak_bf16 = 0;       ///< 0 if the target has no bf16 dot products
};

struct MeasureOptions {
  int64_t bytes = int64_t{512} << 20;  ///< memory read; at least 1 MiB
  double seconds = 0.3;                ///< of each measurement, about
  std::function<void()> poll = {};     ///< called between runs; may throw to end the work
};

/// Takes the best of several short runs of each. Throws Error(out_of_memory) if the memory cannot be had.
MachineMeasure measure_machine(ThreadPool& pool, Target target, const MeasureOptions& options = {});

}  // namespace fathom

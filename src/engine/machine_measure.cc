#include "engine/machine_measure.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/huge_pages.h"
#include "kernels/machine_peak.h"

namespace fathom {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Repeats run() (work done per call) until `seconds` are over, three times at least; the best rate.
template <class F>
double best_rate(const MeasureOptions& options, F&& run) {
  double best = 0;
  const double end = now() + options.seconds;
  for (int round = 0; round < 3 || now() < end; ++round) {
    if (options.poll) options.poll();
    const double start = now();
    const double work = run();
    best = std::max(best, work / std::max(now() - start, 1e-9));
  }
  return best;
}

uint64_t sum_words(const uint64_t* words, int64_t count) {
  uint64_t sums[8] = {};
  for (int64_t i = 0; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += words[i + k];
  }
  uint64_t sum = 0;
  for (const uint64_t each : sums) sum += each;
  return sum;
}

double measure_bandwidth(ThreadPool& pool, const MeasureOptions& options) {
  const int64_t words = std::max<int64_t>(options.bytes, 1 << 20) / 8;
  constexpr int64_t kGrain = 1 << 17;  // 1 MiB
  struct Free {
    void operator()(uint64_t* p) const { free_huge(reinterpret_cast<std::byte*>(p)); }
  };
  const std::unique_ptr<uint64_t[], Free> memory(
      reinterpret_cast<uint64_t*>(allocate_huge(static_cast<size_t>(words) * 8)));
  if (!memory) {
    fail(ErrorCode::out_of_memory, "measure: expected {} bytes of memory, found less", words * 8);
  }
  pool.parallel_for(words, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) memory[static_cast<size_t>(i)] = static_cast<uint64_t>(i);
  });
  std::atomic<uint64_t> sink{0};
  return best_rate(options, [&] {
    pool.parallel_for(words, kGrain, [&](int64_t begin, int64_t end) {
      sink.fetch_add(sum_words(memory.get() + begin, end - begin), std::memory_order_relaxed);
    });
    return static_cast<double>(words) * 8;
  });
}

double measure_peak(ThreadPool& pool, Target target, PeakKind kind, const MeasureOptions& options) {
  constexpr int64_t kRounds = 1 << 18;  // about a millisecond
  const int64_t parts = pool.threads() * int64_t{8};
  std::vector<float> sinks(static_cast<size_t>(parts));
  std::vector<double> done(static_cast<size_t>(parts));
  return best_rate(options, [&] {
    pool.parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        done[static_cast<size_t>(i)] = run_peak(target, kind, kRounds, sinks[static_cast<size_t>(i)]);
      }
    });
    double sum = 0;
    for (const double each : done) sum += each;
    return sum;
  });
}

}  // namespace

MachineMeasure measure_machine(ThreadPool& pool, Target target, const MeasureOptions& options) {
  MachineMeasure measure;
  measure.read_bandwidth = measure_bandwidth(pool, options);
  measure.peak_f32 = measure_peak(pool, target, PeakKind::f32, options);
  if (has_peak(target, PeakKind::bf16)) {
    measure.peak_bf16 = measure_peak(pool, target, PeakKind::bf16, options);
  }
  return measure;
}

}  // namespace fathom

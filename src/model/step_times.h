#pragma once
/// Where the time of a decode step goes: `fathom bench long-context` prints these parts apart.

#include <chrono>

namespace fathom {

/// Seconds summed over layers and queries while a Context points here. Only batches whose threads share each
/// query (decode) are timed: in prefill every thread has queries of its own.
struct StepTimes {
  double indexer = 0;  ///< scores of the keys and the choice of the best
  double core = 0;     ///< from a query to its output, the indexer's part included
};

/// Adds the time of its life to *sum; without a sum it does nothing, not even look at the clock.
class StepTimer {
 public:
  using Clock = std::chrono::steady_clock;
  explicit StepTimer(double* sum) : sum_(sum) {
    if (sum_) start_ = Clock::now();
  }
  ~StepTimer() {
    if (sum_) *sum_ += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  StepTimer(const StepTimer&) = delete;
  StepTimer& operator=(const StepTimer&) = delete;

 private:
  double* sum_;
  Clock::time_point start_;
};

}  // namespace fathom

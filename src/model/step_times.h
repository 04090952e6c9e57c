#pragma once
/// Where the time of a decode step and of a training pass goes: `fathom bench long-context` and `training`
/// print these parts apart.

#include <chrono>
#include <cstdint>

namespace fathom {

/// Seconds summed over layers and queries while a Context points here. Indexer and core: only of batches
/// whose threads share each query (decode), as in prefill every thread has queries of its own.
struct StepTimes {
  double indexer = 0;  ///< scores of the keys and the choice of the best
  double core = 0;     ///< from a query to its output, the indexer's part included
  // Of both passes, on the thread that drives the others.
  double attention = 0;      ///< from a layer's normed input to its output, indexer and compressors included
  double experts = 0;        ///< likewise, the router included
  double head = 0;           ///< logits and cross-entropy, MTP's too
  double products = 0;       ///< products of bf16 matrices with rows, wherever they are
  double product_flops = 0;  ///< of these; a multiply-add counts 2
  double exact = 0;          ///< the same of fp32 products: mHC, router, the scorer's weights
  double exact_flops = 0;
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

/// The timer of products, which also counts them: `work` multiply-adds.
inline double* products_of(StepTimes* times, int64_t work, bool exact = false) {
  if (times == nullptr) return nullptr;
  (exact ? times->exact_flops : times->product_flops) += 2 * static_cast<double>(work);
  return exact ? &times->exact : &times->products;
}

}  // namespace fathom

#pragma once
/// Learning rate over the steps of a stage: linear warm-up, constant, cosine to a share of the peak.
/// Source: architecture.md section 13 (Schedule).

#include <cstdint>

namespace fathom {

struct Schedule {
  double peak = 1e-3;
  int64_t steps = 0;       ///< of the stage
  int64_t warmup = 0;      ///< steps of rising rate: step s has (s + 1) / warmup of the peak
  int64_t decay_from = 0;  ///< first step of the cosine; steps: never
  double final_share = 0.1;

  /// Factor of the peak at step s, 0 <= s < steps.
  double share(int64_t s) const;
  double rate(int64_t s) const { return peak * share(s); }
  bool decaying(int64_t s) const { return s >= decay_from; }
};

}  // namespace fathom

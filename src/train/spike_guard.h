#pragma once
/// Loss spikes: a step whose loss or gradient norm stands out from the steps before is not taken; if that
/// does not help, the run goes back to its last good checkpoint and on in another order of the data. Source:
/// architecture.md section 13; the z-score is that of llm.c's outlier detector.

#include <cstdint>
#include <deque>
#include <string_view>

namespace fathom {

struct SpikeGuardOptions {
  int64_t window = 128;  ///< steps that a new one is held against; 0: off
  int64_t least = 32;    ///< steps before the guard judges
  double loss_z = 6;     ///< standard deviations above the mean
  double norm_z = 8;
  int64_t skips = 3;        ///< steps skipped in a row before a rollback
  int64_t rollbacks = 8;    ///< in a run, before it is given up
  int64_t anticipate = 20;  ///< steps after a rollback with the router's weights of some steps before
};

/// A window of values.
class ZScore {
 public:
  /// Standard deviations of `value` above the mean of the window; 0 while it has fewer than `least` values.
  double of(double value, int64_t least) const;
  void add(double value, int64_t window);
  const std::deque<double>& values() const { return values_; }
  void set(std::deque<double> values) { values_ = std::move(values); }

 private:
  std::deque<double> values_;
};

enum class SpikeDecision : uint8_t { take, skip, rollback };
std::string_view name(SpikeDecision decision);

class SpikeGuard {
 public:
  explicit SpikeGuard(const SpikeGuardOptions& options) : options_(options) {}

  struct Verdict {
    SpikeDecision decision = SpikeDecision::take;
    double loss_z = 0, norm_z = 0;
  };
  /// Judges a step by what was computed before its update. Values of steps that are taken join the window.
  Verdict judge(double loss, double norm, bool finite);

  /// The state, for checkpoints.
  ZScore loss, norm;
  int64_t skipped = 0;  ///< in a row

 private:
  SpikeGuardOptions options_;
};

}  // namespace fathom

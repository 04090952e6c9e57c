#include "train/spike_guard.h"

#include <cmath>

namespace fathom {

double ZScore::of(double value, int64_t least) const {
  const auto count = static_cast<double>(values_.size());
  if (values_.size() < 2 || static_cast<int64_t>(values_.size()) < least) return 0;
  double mean = 0, square = 0;
  for (const double v : values_) mean += v;
  mean /= count;
  for (const double v : values_) square += (v - mean) * (v - mean);
  const double deviation = std::sqrt(square / count);
  // A window of equal values has no measure: what differs from it by a thousandth of its size is one.
  return (value - mean) / (deviation + 1e-3 * std::abs(mean) + 1e-12);
}

void ZScore::add(double value, int64_t window) {
  values_.push_back(value);
  while (static_cast<int64_t>(values_.size()) > window) values_.pop_front();
}

std::string_view name(SpikeDecision decision) {
  constexpr std::string_view kNames[] = {"take", "skip", "rollback"};
  return kNames[static_cast<size_t>(decision)];
}

SpikeGuard::Verdict SpikeGuard::judge(double loss_value, double norm_value, bool finite) {
  Verdict verdict;
  finite = finite && std::isfinite(loss_value) && std::isfinite(norm_value);
  if (finite && options_.window > 0) {
    verdict.loss_z = loss.of(loss_value, options_.least);
    verdict.norm_z = norm.of(norm_value, options_.least);
  }
  // What is not finite is never taken, whatever the options.
  if (finite && verdict.loss_z <= options_.loss_z && verdict.norm_z <= options_.norm_z) {
    skipped = 0;
    loss.add(loss_value, options_.window);
    norm.add(norm_value, options_.window);
    return verdict;
  }
  ++skipped;
  verdict.decision = skipped > options_.skips ? SpikeDecision::rollback : SpikeDecision::skip;
  return verdict;
}

}  // namespace fathom

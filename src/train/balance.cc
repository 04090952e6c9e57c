#include "train/balance.h"

#include <algorithm>
#include <cmath>

namespace fathom {

void update_router_bias(const std::vector<int64_t>& load, double speed, float* bias) {
  int64_t sum = 0;
  for (const int64_t tokens : load) sum += tokens;
  const auto count = static_cast<int64_t>(load.size());
  const auto step = static_cast<float>(speed);
  for (size_t e = 0; e < load.size(); ++e) {
    const int64_t above = load[e] * count - sum;  // the sign of load - mean, exactly
    if (above != 0) bias[e] += above > 0 ? -step : step;
  }
}

LoadStatistics load_statistics(const std::vector<int64_t>& load) {
  LoadStatistics s;
  double sum = 0, top = 0;
  for (const int64_t tokens : load) {
    sum += static_cast<double>(tokens);
    top = std::max(top, static_cast<double>(tokens));
    s.dead += tokens == 0;
  }
  if (sum == 0 || load.size() < 2) return s;
  s.max_over_mean = top / (sum / static_cast<double>(load.size()));
  for (const int64_t tokens : load) {
    const double share = static_cast<double>(tokens) / sum;
    if (share > 0) s.entropy -= share * std::log(share);
  }
  s.entropy /= std::log(static_cast<double>(load.size()));
  return s;
}

}  // namespace fathom

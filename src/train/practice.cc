#include "train/practice.h"

#include <algorithm>
#include <cmath>

namespace fathom {

std::vector<double> group_advantages(const std::vector<double>& rewards) {
  std::vector<double> out(rewards.size());
  if (std::ranges::adjacent_find(rewards, std::ranges::not_equal_to{}) == rewards.end()) return out;
  const auto count = static_cast<double>(rewards.size());
  double mean = 0, square = 0;
  for (const double r : rewards) mean += r / count;
  for (const double r : rewards) square += (r - mean) * (r - mean) / count;
  for (size_t i = 0; i < out.size(); ++i) out[i] = (rewards[i] - mean) / std::sqrt(square);
  return out;
}

}  // namespace fathom

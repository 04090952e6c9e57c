#pragma once
/// Routing kept even without a loss: the selection bias of each expert. Source: architecture.md sections
/// 6, 13.

#include <cstdint>
#include <vector>

namespace fathom {

/// bias_e += speed * sign(mean load - load_e).
void update_router_bias(const std::vector<int64_t>& load, double speed, float* bias);

/// How evenly a layer's experts are used.
struct LoadStatistics {
  double max_over_mean = 0;
  double entropy = 0;  ///< of the shares, over ln E: 1 is even
  int64_t dead = 0;    ///< experts without tokens
};
LoadStatistics load_statistics(const std::vector<int64_t>& load);

}  // namespace fathom

#include "train/schedule.h"

#include <cmath>
#include <numbers>

namespace fathom {

double Schedule::share(int64_t s) const {
  if (s < warmup) return static_cast<double>(s + 1) / static_cast<double>(warmup);
  if (s < decay_from || steps <= decay_from) return 1;
  // The last step has the final share.
  const double t = static_cast<double>(s + 1 - decay_from) / static_cast<double>(steps - decay_from);
  return final_share + (1 - final_share) * 0.5 * (1 + std::cos(std::numbers::pi * t));
}

}  // namespace fathom

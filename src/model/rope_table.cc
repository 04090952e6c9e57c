#include "model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fathom {

RopeFrequencies::RopeFrequencies(double base, int64_t rope_dim, const std::optional<YarnConfig>& yarn) {
  const auto r = static_cast<float>(rope_dim);
  float low = 0, high = 0;
  if (yarn) {
    const auto correction_dim = [&](double rotations) {
      return static_cast<double>(rope_dim) *
             std::log(static_cast<double>(yarn->original_max_position_embeddings) /
                      (rotations * 2 * std::numbers::pi)) /
             (2 * std::log(base));
    };
    low = static_cast<float>(std::max(std::floor(correction_dim(yarn->beta_fast)), 0.0));
    high = static_cast<float>(
        std::min(std::ceil(correction_dim(yarn->beta_slow)), static_cast<double>(rope_dim - 1)));
    if (low == high) high += 0.001f;
  }
  for (int64_t i = 0; i < rope_dim / 2; ++i) {
    // The exponent and the power are rounded to fp32 as the release's torch code does.
    const float exponent = static_cast<float>(2 * i) / r;
    float f = 1.0f / static_cast<float>(std::pow(base, static_cast<double>(exponent)));
    if (yarn) {
      const float ramp = std::clamp((static_cast<float>(i) - low) / (high - low), 0.0f, 1.0f);
      const float smooth = 1 - ramp;
      f = f / static_cast<float>(yarn->factor) * (1 - smooth) + f * smooth;
    }
    inv_freq_.push_back(f);
  }
}

template <class Real>
void RopeFrequencies::angles(int64_t position, Real* cos, Real* sin) const {
  const auto p = static_cast<float>(position);
  for (size_t i = 0; i < inv_freq_.size(); ++i) {
    const auto angle = static_cast<double>(p * inv_freq_[i]);
    cos[i] = static_cast<Real>(std::cos(angle));
    sin[i] = static_cast<Real>(std::sin(angle));
  }
}
template void RopeFrequencies::angles(int64_t, float*, float*) const;
template void RopeFrequencies::angles(int64_t, double*, double*) const;

}  // namespace fathom

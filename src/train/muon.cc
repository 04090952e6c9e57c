#include "train/muon.h"

#include <algorithm>
#include <cmath>

namespace fathom {

int64_t muon_scratch(int64_t rows, int64_t cols) { return rows * cols + newton_schulz_scratch(rows, cols); }

void muon_step(const Kernels<float>& kernels, const MuonStep& step, int64_t rows, int64_t cols,
               const float* gradient, float* momentum, float* weights, float* scratch) {
  const int64_t count = rows * cols;
  float* update = scratch;
  for (int64_t i = 0; i < count; ++i) {
    momentum[i] = step.momentum * momentum[i] + gradient[i];
    update[i] = step.momentum * momentum[i] + gradient[i];
  }
  kernels.newton_schulz(update, rows, cols, update, scratch + count);
  const float keep = 1 - step.rate * step.decay;
  const float scale = step.rate * step.rms * std::sqrt(static_cast<float>(std::max(rows, cols)));
  for (int64_t i = 0; i < count; ++i) weights[i] = weights[i] * keep - scale * update[i];
}

}  // namespace fathom

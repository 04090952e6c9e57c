#pragma once
/// Root-mean-square norm. Source: architecture.md sections 2 and 3.

#include <cmath>
#include <cstdint>

#include "kernels/target.h"

namespace fathom {

/// y[t][i] = x[t][i] / sqrt(mean_i(x[t][i]^2) + eps) * weight[i].
///
/// @param x       [rows, dim] row-major, any dim; may equal y
/// @param weight  [dim], or nullptr for all ones (the per-head query norm)
/// @param y       [rows, dim], or nullptr if only inv_rms is wanted (the row scale of mHC's mix)
/// @param inv_rms [rows], set to 1 / rms; or nullptr
/// Order: the squares are summed in 16 lanes (lane i % 16), then by a fixed tree: the same bits alone, in any
/// batch, on any number of threads and on every target.
template <class Real>
using RmsNorm = void(const Real* x, const Real* weight, Real eps, int64_t rows, int64_t dim, Real* y,
                     Real* inv_rms);

template <class Real>
void rms_norm_reference(const Real* x, const Real* weight, Real eps, int64_t rows, int64_t dim, Real* y,
                        Real* inv_rms) {
  for (int64_t t = 0; t < rows; ++t, x += dim) {
    Real sum = 0;
    for (int64_t i = 0; i < dim; ++i) sum += x[i] * x[i];
    const Real scale = 1 / std::sqrt(sum / static_cast<Real>(dim) + eps);
    if (y) {
      for (int64_t i = 0; i < dim; ++i) y[i] = x[i] * scale * (weight ? weight[i] : Real(1));
      y += dim;
    }
    if (inv_rms) inv_rms[t] = scale;
  }
}

/// The body for a target.
RmsNorm<float>* rms_norm_for(Target target);

}  // namespace fathom

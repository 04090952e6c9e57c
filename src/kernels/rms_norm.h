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

/// Its backward pass: with g = dy weight and s = inv_rms, dx = s g - x s^3 mean(g x), set or added to if
/// `add`.
///
/// @param x       [rows, dim] the norm's input
/// @param dx      [rows, dim]; may be dy unless `add`
/// @param dweight [dim], += sum_t dy[t] x[t] s[t] in the order of the rows; or nullptr
/// Order: as rms_norm, the same bits on every target.
template <class Real>
using RmsNormBackward = void(const Real* x, const Real* weight, const Real* inv_rms, const Real* dy,
                             int64_t rows, int64_t dim, Real* dx, Real* dweight, bool add);

template <class Real>
void rms_norm_backward_reference(const Real* x, const Real* weight, const Real* inv_rms, const Real* dy,
                                 int64_t rows, int64_t dim, Real* dx, Real* dweight, bool add) {
  for (int64_t t = 0; t < rows; ++t, x += dim, dy += dim, dx += dim) {
    const Real s = inv_rms[t];
    Real dot = 0;
    for (int64_t i = 0; i < dim; ++i) dot += dy[i] * (weight ? weight[i] : Real(1)) * x[i];
    const Real back = s * s * s * (dot / static_cast<Real>(dim));
    for (int64_t i = 0; i < dim; ++i) {
      const Real d = dy[i];
      if (dweight) dweight[i] += d * x[i] * s;
      const Real value = s * (d * (weight ? weight[i] : Real(1))) - x[i] * back;
      dx[i] = add ? dx[i] + value : value;
    }
  }
}

/// The bodies for a target.
RmsNorm<float>* rms_norm_for(Target target);
RmsNormBackward<float>* rms_norm_backward_for(Target target);

}  // namespace fathom

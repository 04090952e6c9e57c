#pragma once
/// Backward of the pooling of a compression window. Source: architecture.md section 4.

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/target.h"

namespace fathom {

/// Gradients of pool_window() (compressor.h), channel by channel; the softmax is computed again: with w_t its
/// weights and e the pooled value, dvalues_t = w_t dout and dgates_t = w_t (values_t - e) dout.
///
/// @param values, gates `count` pointers to `dim` elements each
/// @param dout    [dim]
/// @param dvalues, dgates `count` pointers to `dim` elements each, set
template <class Real>
using PoolWindowBackward = void(const Real* const* values, const Real* const* gates, int64_t count,
                                int64_t dim, const Real* dout, Real* const* dvalues, Real* const* dgates);

template <class Real>
void pool_window_backward_reference(const Real* const* values, const Real* const* gates, int64_t count,
                                    int64_t dim, const Real* dout, Real* const* dvalues,
                                    Real* const* dgates) {
  std::vector<Real> weight(static_cast<size_t>(count));
  for (int64_t c = 0; c < dim; ++c) {
    Real mx = gates[0][c];
    for (int64_t t = 1; t < count; ++t) mx = gates[t][c] > mx ? gates[t][c] : mx;
    Real total = 0, pooled = 0;
    for (int64_t t = 0; t < count; ++t) {
      total += weight[static_cast<size_t>(t)] = std::exp(gates[t][c] - mx);
      pooled += weight[static_cast<size_t>(t)] * values[t][c];
    }
    pooled /= total;
    for (int64_t t = 0; t < count; ++t) {
      const Real w = weight[static_cast<size_t>(t)] / total;
      dvalues[t][c] = w * dout[c];
      dgates[t][c] = w * (values[t][c] - pooled) * dout[c];
    }
  }
}

/// The body for a target.
PoolWindowBackward<float>* pool_window_backward_for(Target target);

}  // namespace fathom

#pragma once
/// Pooling of a compression window into one entry. Source: architecture.md section 4.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/target.h"

namespace fathom {

/// out[c] = sum_t softmax_t(gates[t][c]) * values[t][c], channel by channel, over `count` rows given by
/// pointers (CSA: the first halves of the previous window, then the second halves of this one; HCA: this
/// window).
///
/// @param values, gates `count` pointers to `dim` elements each
/// @param out   [dim]
template <class Real>
using PoolWindow = void(const Real* const* values, const Real* const* gates, int64_t count, int64_t dim,
                        Real* out);

template <class Real>
void pool_window_reference(const Real* const* values, const Real* const* gates, int64_t count, int64_t dim,
                           Real* out) {
  for (int64_t c = 0; c < dim; ++c) {
    Real mx = gates[0][c];
    for (int64_t t = 1; t < count; ++t) mx = std::max(mx, gates[t][c]);
    Real total = 0, sum = 0;
    for (int64_t t = 0; t < count; ++t) {
      const Real weight = std::exp(gates[t][c] - mx);
      total += weight;
      sum += weight * values[t][c];
    }
    out[c] = sum / total;
  }
}

/// The body for a target.
PoolWindow<float>* pool_window_for(Target target);

}  // namespace fathom

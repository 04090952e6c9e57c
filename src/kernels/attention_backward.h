#pragma once
/// Backward of the attention core for one query token, and the mass its heads give to every row (the target
/// of the indexer's loss). Source: architecture.md sections 3 and 13 (Indexer loss).

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/row_format.h"
#include "kernels/target.h"

namespace fathom {

/// Gradients of attention() (attention.h) at one query; the softmax is computed again from q and the rows.
/// With w the weights, g = dout: P_j = g . kv_j, D = sum_j w_j P_j, ds_j = w_j (P_j - D),
/// dq = scale sum_j ds_j kv_j, dkv_j = sum_h (w_j g + scale ds_j q), dsink = -w_sink D.
///
/// @param q, rows, type, sink, scale as in attention()
/// @param dout  [heads, dim]
/// @param dq    [heads, dim], set
/// @param drows `count` pointers to distinct rows of `dim` elements, added to
/// @param dsink [heads], added to
/// Order: dq adds the rows as they stand, a row of drows the heads ascending.
template <class Real>
using AttentionBackward = void(const Real* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                               int64_t count, RowType type, const Real* sink, Real scale, const Real* dout,
                               Real* dq, Real* const* drows, Real* dsink);

/// mass[j] = sum_h w_hj, the weights of attention() summed over the heads; the sink's share is in no row.
///
/// @param mass [count], set
template <class Real>
using AttentionMass = void(const Real* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                           int64_t count, RowType type, const Real* sink, Real scale, Real* mass);

/// Softmax weights of one head over its rows [count]; returns the sink's.
template <class Real>
Real attention_weights_reference(const Real* q, int64_t dim, const std::byte* const* rows, int64_t count,
                                 RowType type, Real sink, Real scale, Real* weights) {
  Real mx = sink;
  for (int64_t j = 0; j < count; ++j) {
    Real dot = 0;
    for (int64_t i = 0; i < dim; ++i) dot += q[i] * row_element<Real>(type, rows[j], i);
    mx = std::max(mx, weights[j] = dot * scale);
  }
  const Real at_sink = std::exp(sink - mx);
  Real total = at_sink;
  for (int64_t j = 0; j < count; ++j) total += weights[j] = std::exp(weights[j] - mx);
  for (int64_t j = 0; j < count; ++j) weights[j] /= total;
  return at_sink / total;
}

template <class Real>
void attention_backward_reference(const Real* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                                  int64_t count, RowType type, const Real* sink, Real scale, const Real* dout,
                                  Real* dq, Real* const* drows, Real* dsink) {
  std::vector<Real> weights(static_cast<size_t>(count)), products(weights.size());
  for (int64_t h = 0; h < heads; ++h, q += dim, dout += dim, dq += dim) {
    const Real at_sink =
        attention_weights_reference(q, dim, rows, count, type, sink[h], scale, weights.data());
    Real mean = 0;
    for (int64_t j = 0; j < count; ++j) {
      const auto at = static_cast<size_t>(j);
      products[at] = 0;
      for (int64_t i = 0; i < dim; ++i) products[at] += dout[i] * row_element<Real>(type, rows[j], i);
      mean += weights[at] * products[at];
    }
    dsink[h] -= at_sink * mean;
    for (int64_t i = 0; i < dim; ++i) dq[i] = 0;
    for (int64_t j = 0; j < count; ++j) {
      const auto at = static_cast<size_t>(j);
      const Real dscore = weights[at] * (products[at] - mean) * scale;
      for (int64_t i = 0; i < dim; ++i) {
        dq[i] += dscore * row_element<Real>(type, rows[j], i);
        drows[j][i] += weights[at] * dout[i] + dscore * q[i];
      }
    }
  }
}

template <class Real>
void attention_mass_reference(const Real* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                              int64_t count, RowType type, const Real* sink, Real scale, Real* mass) {
  std::vector<Real> weights(static_cast<size_t>(count));
  std::fill_n(mass, count, Real(0));
  for (int64_t h = 0; h < heads; ++h) {
    attention_weights_reference(q + h * dim, dim, rows, count, type, sink[h], scale, weights.data());
    for (int64_t j = 0; j < count; ++j) mass[j] += weights[static_cast<size_t>(j)];
  }
}

/// The bodies for a target.
AttentionBackward<float>* attention_backward_for(Target target);
AttentionMass<float>* attention_mass_for(Target target);

}  // namespace fathom

#pragma once
/// The attention core: one query token against its raw window rows and compressed entries, with a learned
/// sink. Source: architecture.md section 3.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/row_format.h"
#include "kernels/target.h"

namespace fathom {

/// out[h] = sum_j w_j kv_j, w_j = exp(s_j - mx) / (sum_j exp(s_j - mx) + exp(sink[h] - mx)), s_j = (q[h] .
/// kv_j) scale.
///
/// @param q     [heads, dim]
/// @param rows  `count` pointers to rows of `dim` elements of `type` (key and value in one): the window
/// ascending,
///              then the chosen entries ascending; any alignment
/// @param sink  [heads]
/// @param out   [heads, dim]
/// Order: tiles of 64 rows by place in `rows` with a running maximum, so a query has the same bits in any
/// batch.
template <class Real>
using Attention = void(const Real* q, int64_t heads, int64_t dim, const std::byte* const* rows, int64_t count,
                       RowType type, const Real* sink, Real scale, Real* out);

template <class Real>
void attention_reference(const Real* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                         int64_t count, RowType type, const Real* sink, Real scale, Real* out) {
  std::vector<Real> score(static_cast<size_t>(count));
  for (int64_t h = 0; h < heads; ++h, q += dim, out += dim) {
    Real mx = sink[h];
    for (int64_t j = 0; j < count; ++j) {
      Real dot = 0;
      for (int64_t i = 0; i < dim; ++i) dot += q[i] * row_element<Real>(type, rows[j], i);
      mx = std::max(mx, score[static_cast<size_t>(j)] = dot * scale);
    }
    Real total = std::exp(sink[h] - mx);
    for (int64_t i = 0; i < dim; ++i) out[i] = 0;
    for (int64_t j = 0; j < count; ++j) {
      const Real weight = std::exp(score[static_cast<size_t>(j)] - mx);
      total += weight;
      for (int64_t i = 0; i < dim; ++i) out[i] += weight * row_element<Real>(type, rows[j], i);
    }
    for (int64_t i = 0; i < dim; ++i) out[i] /= total;
  }
}

/// The body for a target.
Attention<float>* attention_for(Target target);

}  // namespace fathom

#pragma once
/// Scores of the lightning indexer. Source: architecture.md section 5.

#include <algorithm>

#include "kernels/row_format.h"
#include "kernels/target.h"

namespace fathom {

/// scores[i] = sum_h weights[h] * relu(q[h] . key_i) for i in [0, count).
///
/// @param q       [heads, dim]
/// @param weights [heads], both constant factors already in them
/// @param keys    `count` rows of `dim` elements of `type`, row_bytes apart; any alignment
/// Order: lanes over heads, dims in order, then a fixed tree over heads: the same bits on every target.
template <class Real>
using IndexerScores = void(const Real* q, const Real* weights, int64_t heads, int64_t dim,
                           const std::byte* keys, int64_t row_bytes, int64_t count, RowType type,
                           Real* scores);

template <class Real>
void indexer_scores_reference(const Real* q, const Real* weights, int64_t heads, int64_t dim,
                              const std::byte* keys, int64_t row_bytes, int64_t count, RowType type,
                              Real* scores) {
  for (int64_t i = 0; i < count; ++i, keys += row_bytes) {
    Real sum = 0;
    for (int64_t h = 0; h < heads; ++h) {
      Real dot = 0;
      for (int64_t c = 0; c < dim; ++c) dot += q[h * dim + c] * row_element<Real>(type, keys, c);
      sum += weights[h] * std::max(dot, Real(0));
    }
    scores[i] = sum;
  }
}

/// The body for a target.
IndexerScores<float>* indexer_scores_for(Target target);

}  // namespace fathom

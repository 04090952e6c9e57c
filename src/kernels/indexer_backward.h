#pragma once
/// The indexer's loss and the backward of its scores for one query token. Source: architecture.md sections 5
/// and 13 (Indexer loss).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/row_format.h"
#include "kernels/target.h"

namespace fathom {

/// Kullback-Leibler divergence of a query's candidates: with P = mass / sum(mass) and Q = softmax(scores),
/// kl[0] = sum P ln(P / Q), kl[1] = the same for uniform Q, and dscores = weight (Q - P). Candidates without
/// any mass (all of it lies on the window and the sink, beyond what Real can hold) give 0 and no gradient.
///
/// @param scores, mass, dscores [count], count > 0
/// @param kl [2]
template <class Real>
using IndexerKl = void(const Real* scores, const Real* mass, int64_t count, Real weight, Real* dscores,
                       Real* kl);

/// Gradients of indexer_scores() (indexer_scores.h) at one query: with z_hj = q[h] . key_j and
/// e_hj = dscores[j] weights[h] where z_hj > 0 (else 0), dq[h] = sum_j e_hj key_j, dkey_j = sum_h e_hj q[h],
/// dweights[h] = sum_j dscores[j] relu(z_hj).
///
/// @param keys  `count` pointers to rows of `dim` elements of `type`; any alignment
/// @param dq    [heads, dim], set; dweights [heads], set
/// @param dkeys `count` pointers to distinct rows of `dim` elements, added to
/// Order: dq adds the keys as they stand, a row of dkeys the heads ascending.
template <class Real>
using IndexerScoresBackward = void(const Real* q, const Real* weights, int64_t heads, int64_t dim,
                                   const std::byte* const* keys, int64_t count, RowType type,
                                   const Real* dscores, Real* dq, Real* dweights, Real* const* dkeys);

template <class Real>
void indexer_kl_reference(const Real* scores, const Real* mass, int64_t count, Real weight, Real* dscores,
                          Real* kl) {
  Real total = 0, total_mass = 0, mx = scores[0];
  for (int64_t j = 0; j < count; ++j) {
    total_mass += mass[j];
    mx = std::max(mx, scores[j]);
  }
  for (int64_t j = 0; j < count; ++j) total += dscores[j] = std::exp(scores[j] - mx);
  kl[0] = kl[1] = 0;
  for (int64_t j = 0; j < count; ++j) {
    const Real q = dscores[j] / total, p = total_mass > 0 ? mass[j] / total_mass : Real(0);
    if (p > 0) {
      kl[0] += p * (std::log(p) - (scores[j] - mx - std::log(total)));
      kl[1] += p * (std::log(p) + std::log(static_cast<Real>(count)));
    }
    dscores[j] = total_mass > 0 ? weight * (q - p) : Real(0);
  }
}

template <class Real>
void indexer_scores_backward_reference(const Real* q, const Real* weights, int64_t heads, int64_t dim,
                                       const std::byte* const* keys, int64_t count, RowType type,
                                       const Real* dscores, Real* dq, Real* dweights, Real* const* dkeys) {
  std::fill_n(dq, heads * dim, Real(0));
  for (int64_t h = 0; h < heads; ++h, q += dim, dq += dim) {
    dweights[h] = 0;
    for (int64_t j = 0; j < count; ++j) {
      Real dot = 0;
      for (int64_t c = 0; c < dim; ++c) dot += q[c] * row_element<Real>(type, keys[j], c);
      if (!(dot > 0)) continue;
      dweights[h] += dscores[j] * dot;
      const Real e = dscores[j] * weights[h];
      for (int64_t c = 0; c < dim; ++c) {
        dq[c] += e * row_element<Real>(type, keys[j], c);
        dkeys[j][c] += e * q[c];
      }
    }
  }
}

/// The bodies for a target.
IndexerKl<float>* indexer_kl_for(Target target);
IndexerScoresBackward<float>* indexer_scores_backward_for(Target target);

}  // namespace fathom

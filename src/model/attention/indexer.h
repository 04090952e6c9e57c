#pragma once
/// The lightning indexer of CSA layers: which compressed entries a query reads. Source: architecture.md
/// section 5.

#include "model/batch.h"
#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// Queries and head weights of a batch; views into the arena of ctx.
template <class Real>
struct IndexerQueries {
  Mat<Real> q;        ///< [rows, hI*dI], rotated and, in release numerics, quantised
  Mat<Real> weights;  ///< [rows, hI], times dI^-0.5 hI^-0.5
};

/// @param cos, sin [rows, r/2] of the rows' positions, compressed layers' frequencies
template <class Real>
IndexerQueries<Real> indexer_queries(const Context<Real>& ctx, const ModelConfig& config,
                                     const IndexerParams<WeightView>& w, Mat<const Real> x,
                                     Mat<const Real> qr, const Real* cos, const Real* sin);

/// Scores of keys [first, last) for one query, into scores[first..last). Runs in the calling thread.
template <class Real>
void score_keys(const Context<Real>& ctx, const ModelConfig& config, const Real* q, const Real* weights,
                const PagedRows& keys, int64_t first, int64_t last, Real* scores);

}  // namespace fathom

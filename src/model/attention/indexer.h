#pragma once
/// The lightning indexer of CSA layers: which compressed entries a query reads. Source: architecture.md
/// section 5.

#include <span>

#include "model/attention/document_rows.h"
#include "model/attention/kv_grad.h"
#include "model/batch.h"
#include "model/context.h"
#include "model/params.h"
#include "model/rope_table.h"

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

template <class Real>
struct AttentionSaved;

/// Sees what the loss below is made of.
template <class Real>
class IndexerObserver {
 public:
  virtual ~IndexerObserver() = default;
  /// A row of the batch with candidates `entries` (of the batch, ascending), their scores and the mass that
  /// the heads give them. Called from several threads, each for other rows.
  virtual void query(int64_t row, const IndexerLoss& loss, std::span<const int32_t> entries,
                     const Real* scores, const Real* mass) = 0;
};

/// The loss that teaches a CSA layer's indexer, for a batch of whole documents: KL(P || Q) of every query's
/// candidates, P their share of the mass that the attention's heads give them, Q the softmax of the indexer's
/// scores (architecture.md section 13, "Indexer loss"). Candidates are the entries that the queries read: all
/// visible ones in the dense stage, else the chosen ones.
///
/// @param carried as in attention_backward()
/// Adds to the gradients of the indexer's six tensors, times TrainingPass::indexer_weight over the number of
/// queries; x, qr and the attention are constants. Returns the sums over the queries.
/// @param cos, sin [rows, r/2] of the rows' positions, compressed layers' frequencies
template <class Real>
IndexerLoss indexer_backward(const Context<Real>& ctx, const ModelConfig& config,
                             const AttentionParams<WeightView>& w, const LayerConfig& layer,
                             const RopeFrequencies& rope, const Real* cos, const Real* sin,
                             const BatchRows& batch, Mat<const Real> x, const AttentionSaved<Real>& saved,
                             const IndexerParams<Mat<Real>>& grad, LayerKvGrad<Real>* carried = nullptr,
                             IndexerObserver<Real>* observer = nullptr);

}  // namespace fathom

#pragma once
/// The attention sublayer of all three kinds of layer: SWA, CSA, HCA. Source: architecture.md section 3.

#include "model/attention/indexer.h"
#include "model/attention/kv_grad.h"
#include "model/batch.h"
#include "model/context.h"
#include "model/params.h"
#include "model/rope_table.h"

namespace fathom {

/// What attention_backward() needs of attention_forward(); views into the arena of ctx.
template <class Real>
struct AttentionSaved {
  int64_t start = 0;                   ///< position of the first row: 0, or that of a chunk
  Mat<Real> query_latent, query_norm;  ///< [rows, q] wq_a x before and after its norm
  Mat<Real> heads, q;                  ///< [rows, H*d] wq_b's result, and normed and rotated
  Mat<Real> kv_latent;                 ///< [rows, d] wkv x before its norm
  Real *query_inv_rms = nullptr, *head_inv_rms = nullptr,
       *kv_inv_rms = nullptr;             ///< [rows], [rows*H], [rows]
  const std::byte* kv = nullptr;          ///< [rows, d] as the core reads them
  Mat<Real> main_rows, index_rows;        ///< compressor_rows() of CSA and HCA, of the indexer
  const std::byte* entries = nullptr;     ///< [entries of all documents, d], as BatchRows counts them
  const std::byte* index_keys = nullptr;  ///< [the same, dI] CSA
  IndexerQueries<Real> indexer;           ///< CSA
  const int32_t* chosen = nullptr;  ///< [rows, chosen_width] entries of the query's document, ascending, -1
                                    ///< last; null where queries read all that are visible
  int64_t chosen_width = 0;
  Mat<Real> o, u;  ///< [rows, H*d] after the inverse RoPE, [rows, G*o]
};

/// @param x [rows, D] normed input; y [rows, D] output
/// @param saved filled for the backward pass (the spans are then whole documents), or nullptr
/// Appends the rows' KV, entries and indexer keys to every span's state; in a training pass (ctx.training)
/// the states stay at their positions.
template <class Real>
void attention_forward(const Context<Real>& ctx, const ModelConfig& config,
                       const AttentionParams<WeightView>& w, int64_t layer, LayerSlot slot,
                       const RopeTables& rope, const BatchAngles<Real>& angles, const Batch& batch,
                       Mat<const Real> x, Mat<Real> y, AttentionSaved<Real>* saved = nullptr);

/// Backward of attention_forward(): adds to dx [rows, D] and to grad, where a matrix without data is frozen.
/// If ctx.training asks for it, the loss of a CSA layer's indexer is differentiated too (indexer.h).
///
/// @param x  the same normed input; saved from attention_forward() on the same batch
/// @param dy [rows, D]; without data, only the indexer's loss is differentiated
/// @param indexer gets the sums of the indexer's loss added, or nullptr
/// @param carried for chunks: what later chunks left for this one, and then what it leaves for earlier ones
template <class Real>
void attention_backward(const Context<Real>& ctx, const ModelConfig& config,
                        const AttentionParams<WeightView>& w, int64_t layer, const RopeTables& rope,
                        const BatchAngles<Real>& angles, const Batch& batch, Mat<const Real> x,
                        const AttentionSaved<Real>& saved, Mat<const Real> dy, Mat<Real> dx,
                        const AttentionParams<Mat<Real>>& grad, IndexerLoss* indexer,
                        LayerKvGrad<Real>* carried = nullptr);

}  // namespace fathom

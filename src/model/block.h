#pragma once
/// One block: X = mhc(attention)(X), then X = mhc(moe)(X). Source: architecture.md section 2.

#include "model/attention/attention.h"
#include "model/hyper_connection.h"
#include "model/moe/moe.h"
#include "model/weights.h"

namespace fathom {

/// What block_backward() needs of one mHC with its sublayer; views into the arena of ctx.
template <class Real>
struct SublayerSaved {
  HcSaved<Real> hc;
  HcWeights<Real> mix;
  Mat<Real> row;                  ///< [rows, D] collapsed streams
  const Real* inv_rms = nullptr;  ///< [rows] of row
  Mat<Real> x, y;                 ///< [rows, D] the sublayer's normed input, and its output
};

template <class Real>
struct BlockSaved {
  SublayerSaved<Real> attn_hc, ffn_hc;
  AttentionSaved<Real> attn;
  MoeSaved<Real> ffn;
};

/// streams [rows, n*D], in place.
/// @param layer index in the config (draft blocks follow the main layers); tokens [rows] for hash routing
/// @param saved filled for the backward pass, or nullptr (inference). With it, the streams are left as the
///              second sublayer got them: the block's result is known from the forward pass.
template <class Real>
void block_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                   const BlockParams<WeightView>& w, int64_t layer, LayerSlot slot, const RopeTables& rope,
                   const BatchAngles<Real>& angles, const Batch& batch, const int32_t* tokens,
                   Mat<Real> streams, BlockSaved<Real>* saved = nullptr);

/// The block's result, from the streams as block_forward() with `saved` left them: in place.
template <class Real>
void block_finish(const Context<Real>& ctx, const ModelConfig& config, const BlockSaved<Real>& saved,
                  Mat<Real> streams);

/// What a block's backward pass finds beside the gradients.
struct BlockLosses {
  IndexerLoss indexer;
  double balance = 0;  ///< the documents' balance losses together; 0 for hash and draft layers
};

/// Adds to grad; d_streams becomes the gradient of the block's input.
/// @param before the block's input streams
/// @param middle the streams as block_forward() with `saved` left them
/// @param carried for chunks, as in attention_backward()
template <class Real>
BlockLosses block_backward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                           const BlockParams<WeightView>& w, int64_t layer, const RopeTables& rope,
                           const BatchAngles<Real>& angles, const Batch& batch, Mat<const Real> before,
                           Mat<const Real> middle, const BlockSaved<Real>& saved, Mat<Real> d_streams,
                           const BlockParams<Mat<Real>>& grad, LayerKvGrad<Real>* carried = nullptr);

/// The loss of a CSA layer's indexer alone, on the layer's input streams, which stay as they are: adds to the
/// indexer's gradients.
template <class Real>
IndexerLoss block_indexer_loss(const Context<Real>& ctx, const ModelConfig& config,
                               const BlockParams<WeightView>& w, int64_t layer, const RopeTables& rope,
                               const BatchAngles<Real>& angles, const Batch& batch, Mat<const Real> streams,
                               const BlockParams<Mat<Real>>& grad, LayerKvGrad<Real>* carried = nullptr);

}  // namespace fathom

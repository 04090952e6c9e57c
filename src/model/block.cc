#include "model/block.h"

#include <algorithm>

#include "model/instantiate.h"

namespace fathom {
namespace {

// Up to the sublayer's input: mix, collapse, norm. Everything is left in the arena for the caller's scope.
template <class Real>
SublayerSaved<Real> enter(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& hc,
                          const WeightView& norm, Mat<const Real> streams, bool keep) {
  SublayerSaved<Real> s;
  s.x = ctx.scratch(streams.rows, config.hidden_size);
  s.y = ctx.scratch(streams.rows, config.hidden_size);
  s.row = keep ? ctx.scratch(streams.rows, config.hidden_size) : s.x;
  Real* inv_rms = keep ? ctx.arena().template allocate<Real>(streams.rows) : nullptr;
  s.mix = hc_mix<Real>(ctx, config, hc, streams, keep ? &s.hc : nullptr);
  hc_collapse<Real>(ctx, config, streams, s.mix.pre, s.row);
  ctx.rms_norm(s.row.data, ctx.values(norm), static_cast<Real>(config.rms_norm_eps), s.x.rows, s.x.cols,
               s.x.data, inv_rms);
  s.inv_rms = inv_rms;
  return s;
}

// Backward of one mHC with its sublayer: sublayer(dy, dx) is the backward pass of what lies between enter()
// and hc_apply(), and adds to dx.
template <class Real, class F>
void sublayer_backward(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& hc,
                       const WeightView& norm, Mat<const Real> streams, const SublayerSaved<Real>& s,
                       Mat<Real> d_streams, const HcParams<Mat<Real>>& d_hc, const Mat<Real>& d_norm,
                       const F& sublayer) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = streams.rows, n = config.hc_mult;
  const Mat<Real> dy = ctx.scratch(rows, config.hidden_size), dx = ctx.scratch(rows, config.hidden_size);
  const HcGradients<Real> d{ctx.arena().template allocate<Real>(rows * n),
                            ctx.arena().template allocate<Real>(rows * n),
                            ctx.arena().template allocate<Real>(rows * n * n)};
  hc_apply_backward<Real>(ctx, config, s.mix, streams, s.y, d_streams, dy, d);
  std::fill_n(dx.data, rows * dx.cols, Real(0));
  sublayer(dy, dx);
  ctx.rms_norm_backward(s.row.data, ctx.values(norm), s.inv_rms, dx.data, rows, dx.cols, dx.data,
                        d_norm.data);
  hc_mix_backward<Real>(ctx, config, hc, streams, s.mix, s.hc, dx, d, d_streams, d_hc);
}

}  // namespace

template <class Real>
void block_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                   const BlockParams<WeightView>& w, int64_t layer, LayerSlot slot, const RopeTables& rope,
                   const BatchAngles<Real>& angles, const Batch& batch, const int32_t* tokens,
                   Mat<Real> streams, BlockSaved<Real>* saved) {
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  const bool keep = saved != nullptr;
  {
    const MaybeScope sublayer_scope(ctx.arena(), !keep);
    const auto attn = enter<Real>(ctx, config, w.hc_attn, w.attn_norm, streams, keep);
    {
      const StepTimer timer(ctx.times ? &ctx.times->attention : nullptr);
      attention_forward<Real>(ctx, config, w.attn, layer, slot, rope, angles, batch, attn.x, attn.y,
                              keep ? &saved->attn : nullptr);
    }
    hc_apply<Real>(ctx, config, attn.mix, attn.y, streams);
    if (keep) saved->attn_hc = attn;
  }
  const auto ffn = enter<Real>(ctx, config, w.hc_ffn, w.ffn_norm, streams, keep);
  {
    const StepTimer timer(ctx.times ? &ctx.times->experts : nullptr);
    moe_forward<Real>(ctx, config, weights, w.ffn, layer, tokens, ffn.x, ffn.y, keep ? &saved->ffn : nullptr);
  }
  if (keep) {
    saved->ffn_hc = ffn;
  } else {
    hc_apply<Real>(ctx, config, ffn.mix, ffn.y, streams);
  }
}

template <class Real>
void block_finish(const Context<Real>& ctx, const ModelConfig& config, const BlockSaved<Real>& saved,
                  Mat<Real> streams) {
  hc_apply<Real>(ctx, config, saved.ffn_hc.mix, saved.ffn_hc.y, streams);
}

template <class Real>
BlockLosses block_backward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                           const BlockParams<WeightView>& w, int64_t layer, const RopeTables& rope,
                           const BatchAngles<Real>& angles, const Batch& batch, Mat<const Real> before,
                           Mat<const Real> middle, const BlockSaved<Real>& saved, Mat<Real> d_streams,
                           const BlockParams<Mat<Real>>& grad, LayerKvGrad<Real>* carried) {
  BlockLosses losses;
  const bool balanced = layer < config.num_hidden_layers && !config.layer(layer).hash;
  sublayer_backward<Real>(ctx, config, w.hc_ffn, w.ffn_norm, middle, saved.ffn_hc, d_streams, grad.hc_ffn,
                          grad.ffn_norm, [&](Mat<const Real> dy, Mat<Real> dx) {
                            const StepTimer timer(ctx.times ? &ctx.times->experts : nullptr);
                            losses.balance = moe_backward<Real>(ctx, config, weights, w.ffn,
                                                                balanced ? &batch.spans : nullptr,
                                                                saved.ffn_hc.x, saved.ffn, dy, dx, grad.ffn);
                          });
  sublayer_backward<Real>(ctx, config, w.hc_attn, w.attn_norm, before, saved.attn_hc, d_streams, grad.hc_attn,
                          grad.attn_norm, [&](Mat<const Real> dy, Mat<Real> dx) {
                            const StepTimer timer(ctx.times ? &ctx.times->attention : nullptr);
                            attention_backward<Real>(ctx, config, w.attn, layer, rope, angles, batch,
                                                     saved.attn_hc.x, saved.attn, dy, dx, grad.attn,
                                                     &losses.indexer, carried);
                          });
  return losses;
}

template <class Real>
IndexerLoss block_indexer_loss(const Context<Real>& ctx, const ModelConfig& config,
                               const BlockParams<WeightView>& w, int64_t layer, const RopeTables& rope,
                               const BatchAngles<Real>& angles, const Batch& batch, Mat<const Real> streams,
                               const BlockParams<Mat<Real>>& grad, LayerKvGrad<Real>* carried) {
  const ArenaScope scope(ctx.arena());
  IndexerLoss loss;
  AttentionSaved<Real> saved;
  const auto attn = enter<Real>(ctx, config, w.hc_attn, w.attn_norm, streams, false);
  attention_forward<Real>(ctx, config, w.attn, layer, {layer, false}, rope, angles, batch, attn.x, attn.y,
                          &saved);
  attention_backward<Real>(ctx, config, w.attn, layer, rope, angles, batch, attn.x, saved, {}, {}, grad.attn,
                           &loss, carried);
  return loss;
}
FATHOM_INSTANTIATE(block_forward);
FATHOM_INSTANTIATE(block_finish);
FATHOM_INSTANTIATE(block_indexer_loss);
FATHOM_INSTANTIATE(block_backward);

}  // namespace fathom

#include "model/block.h"

#include "model/hyper_connection.h"
#include "model/instantiate.h"
#include "model/moe/moe.h"

namespace fathom {

template <class Real>
void block_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                   const BlockParams<WeightView>& w, int64_t layer, LayerSlot slot, const RopeTables& rope,
                   const BatchAngles<Real>& angles, const Batch& batch, const int32_t* tokens,
                   Mat<Real> streams) {
  const ArenaScope scope(ctx.arena());
  const auto eps = static_cast<Real>(config.rms_norm_eps);
  const Mat<Real> x = ctx.scratch(streams.rows, config.hidden_size);
  const Mat<Real> y = ctx.scratch(streams.rows, config.hidden_size);

  const HcWeights<Real> attn_mix = hc_mix<Real>(ctx, config, w.hc_attn, streams);
  hc_collapse<Real>(ctx, config, streams, attn_mix.pre, x);
  ctx.rms_norm(x.data, ctx.values(w.attn_norm), eps, x.rows, x.cols, x.data);
  attention_forward<Real>(ctx, config, w.attn, layer, slot, rope, angles, batch, x, y);
  hc_apply<Real>(ctx, config, attn_mix, y, streams);

  const HcWeights<Real> ffn_mix = hc_mix<Real>(ctx, config, w.hc_ffn, streams);
  hc_collapse<Real>(ctx, config, streams, ffn_mix.pre, x);
  ctx.rms_norm(x.data, ctx.values(w.ffn_norm), eps, x.rows, x.cols, x.data);
  moe_forward<Real>(ctx, config, weights, w.ffn, layer, tokens, x, y);
  hc_apply<Real>(ctx, config, ffn_mix, y, streams);
}
FATHOM_INSTANTIATE(block_forward);

}  // namespace fathom

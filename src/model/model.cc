#include "model/model.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.h"
#include "model/batch_angles.h"
#include "model/block.h"
#include "model/embedding.h"
#include "model/head.h"
#include "model/mtp.h"
#include "model/read_config.h"

namespace fathom {

std::shared_ptr<const Model> Model::open(const std::filesystem::path& path) {
  return open(Checkpoint::open(path));
}

std::shared_ptr<const Model> Model::open(std::shared_ptr<const Checkpoint> checkpoint) {
  auto model = std::make_shared<Model>();
  model->config_ = read_config(*checkpoint);
  model->weights_ = Weights::load(checkpoint, model->config_);
  model->rope_ = std::make_unique<const RopeTables>(model->config_);
  return model;
}

std::shared_ptr<const Model> Model::over(const ModelConfig& config, const ModelParams<WeightView>& params,
                                         std::shared_ptr<const void> owner) {
  auto model = std::make_shared<Model>();
  model->config_ = config;
  model->weights_ = Weights::over(params, std::move(owner));
  model->rope_ = std::make_unique<const RopeTables>(config);
  return model;
}

KvState Model::new_state(const Numerics& numerics, int64_t scalar_bytes) const {
  const bool indexed = std::any_of(config_.layers.begin(), config_.layers.end(),
                                   [](const LayerConfig& layer) { return layer.kind == LayerKind::csa; });
  const auto dim = static_cast<uint64_t>(config_.index_head_dim);
  if (indexed && numerics.quantise_indexer && !std::has_single_bit(dim)) {
    fail(ErrorCode::unsupported, "index_head_dim: {} numerics expect a power of two, found {}",
         name(numerics.mode), dim);
  }
  return KvState(config_, numerics, mtp_blocks(), scalar_bytes);
}

template <class Real>
ForwardResult<Real> Model::forward(const Context<Real>& ctx, const Batch& batch) const {
  const int64_t rows = batch.rows(), D = config_.hidden_size, n = config_.hc_mult;
  const Mat<Real> streams = ctx.scratch(rows, n * D);
  const Mat<Real> picked = ctx.scratch(batch.logit_rows(), n * D);
  std::vector<int64_t> starts;
  for (const Span& span : batch.spans) starts.push_back(span.kv->position());
  try {
    const ArenaScope scope(ctx.arena());
    copy_to_streams<Real>(ctx, embed(ctx, weights_->params().embed, batch.tokens), streams);
    const BatchAngles<Real> a = batch_angles(ctx, *rope_, batch, LayerSlot{});
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      block_forward<Real>(ctx, config_, *weights_, weights_->params().layers[static_cast<size_t>(i)], i,
                          {i, false}, *rope_, a, batch, batch.tokens.data(), streams);
      if (ctx.trace) ctx.trace->streams(i, streams.data, rows, streams.cols);
    }
  } catch (...) {
    for (size_t i = 0; i < starts.size(); ++i) batch.spans[i].kv->truncate(starts[i]);
    throw;
  }
  int64_t row = 0;
  for (const Span& span : batch.spans) {
    const int64_t count = span.logits == LogitRows::none   ? 0
                          : span.logits == LogitRows::last ? 1
                                                           : span.count;
    for (int64_t t = span.count - count; t < span.count; ++t) {
      std::copy_n(streams.row(span.first_row + t), n * D, picked.row(row++));
    }
  }
  const ModelParams<WeightView>& w = weights_->params();
  return {head_forward<Real>(ctx, config_, w.head, w.lm_head, picked), streams};
}

template <class Real>
Mat<Real> Model::forward_mtp(const Context<Real>& ctx, int64_t block, const Batch& batch,
                             Mat<const Real> streams) const {
  FATHOM_CHECK(block >= 0 && block < mtp_blocks());
  const MtpParams<WeightView>& w = weights_->params().mtp[static_cast<size_t>(block)];
  const int64_t rows = batch.rows(), layer = config_.num_hidden_layers + block;
  const Mat<Real> x = ctx.scratch(rows, streams.cols);
  {
    const ArenaScope scope(ctx.arena());
    mtp_input<Real>(ctx, config_, w, weights_->params().embed, batch.tokens, streams, x);
    const LayerSlot slot{block, true};
    block_forward<Real>(ctx, config_, *weights_, w.block, layer, slot, *rope_,
                        batch_angles(ctx, *rope_, batch, slot), batch, batch.tokens.data(), x);
  }
  if (ctx.trace) ctx.trace->streams(layer, x.data, rows, x.cols);
  return head_forward<Real>(ctx, config_, w.head, weights_->params().lm_head, x);
}

template ForwardResult<float> Model::forward(const Context<float>&, const Batch&) const;
template ForwardResult<double> Model::forward(const Context<double>&, const Batch&) const;
template Mat<float> Model::forward_mtp(const Context<float>&, int64_t, const Batch&, Mat<const float>) const;
template Mat<double> Model::forward_mtp(const Context<double>&, int64_t, const Batch&,
                                        Mat<const double>) const;

}  // namespace fathom

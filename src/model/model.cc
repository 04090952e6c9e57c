#include "model/model.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "formats/decode.h"
#include "model/block.h"
#include "model/hyper_connection.h"
#include "model/instantiate.h"

namespace fathom {

std::shared_ptr<const Model> Model::open(const std::filesystem::path& path) {
  return open(Checkpoint::open(path));
}

std::shared_ptr<const Model> Model::open(std::shared_ptr<const Checkpoint> checkpoint) {
  auto model = std::make_shared<Model>();
  model->config_ = in_context(printable(checkpoint->path().string(), 400),
                              [&] { return ModelConfig::parse(checkpoint->config_json()); });
  model->weights_ = Weights::load(checkpoint, model->config_);
  model->rope_ = std::make_unique<const RopeTables>(model->config_);
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
Mat<Real> Model::embed(const Context<Real>& ctx, const std::vector<int32_t>& tokens) const {
  const int64_t D = config_.hidden_size;
  const Mat<Real> x = ctx.scratch(static_cast<int64_t>(tokens.size()), D);
  for (int64_t t = 0; t < x.rows; ++t) {
    const int32_t id = tokens[static_cast<size_t>(t)];
    if (id < 0 || id >= config_.vocab_size) {
      bad_input("token {}: expected an id below {}, found {}", t, config_.vocab_size, id);
    }
    decode_row(weights_->params().embed, id, x.row(t));
  }
  return x;
}

template <class Real>
BatchAngles<Real> Model::angles(const Context<Real>& ctx, const Batch& batch, LayerSlot slot) const {
  const int64_t pairs = rope_->main.pairs(), rows = batch.rows();
  const BatchAngles<Real> a{ctx.scratch(rows, pairs), ctx.scratch(rows, pairs), ctx.scratch(rows, pairs),
                            ctx.scratch(rows, pairs)};
  for (const Span& span : batch.spans) {
    const int64_t start = slot.of(*span.kv).position();
    ctx.parallel_rows(span.count, pairs * 64, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t) {
        const int64_t row = span.first_row + t;
        rope_->main.angles(start + t, a.main_cos.row(row), a.main_sin.row(row));
        rope_->compress.angles(start + t, a.compress_cos.row(row), a.compress_sin.row(row));
      }
    });
  }
  return a;
}

template <class Real>
Mat<Real> Model::logits(const Context<Real>& ctx, const HeadParams<WeightView>& head,
                        Mat<const Real> streams) const {
  const Mat<Real> out = ctx.scratch(streams.rows, config_.vocab_size);
  const ArenaScope scope(ctx.arena());
  const Mat<Real> x = ctx.scratch(streams.rows, config_.hidden_size);
  hc_head<Real>(ctx, config_, head.hc, streams, x);
  ctx.rms_norm(x.data, ctx.values(head.norm), static_cast<Real>(config_.rms_norm_eps), x.rows, x.cols,
               x.data);
  ctx.linear(x, weights_->params().lm_head, out);
  return out;
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
    const Mat<Real> x = embed(ctx, batch.tokens);
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t i = 0; i < n; ++i) std::copy_n(x.row(t), D, streams.row(t) + i * D);
    }
    const BatchAngles<Real> a = angles(ctx, batch, LayerSlot{});
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
  return {logits<Real>(ctx, weights_->params().head, picked), streams};
}

template <class Real>
Mat<Real> Model::forward_mtp(const Context<Real>& ctx, int64_t block, const Batch& batch,
                             Mat<const Real> streams) const {
  FATHOM_CHECK(block >= 0 && block < mtp_blocks());
  const MtpParams<WeightView>& w = weights_->params().mtp[static_cast<size_t>(block)];
  const int64_t rows = batch.rows(), D = config_.hidden_size, n = config_.hc_mult;
  const int64_t layer = config_.num_hidden_layers + block;
  const auto eps = static_cast<Real>(config_.rms_norm_eps);
  const Mat<Real> x = ctx.scratch(rows, n * D);
  {
    const ArenaScope scope(ctx.arena());
    const Mat<Real> e = embed(ctx, batch.tokens);
    ctx.rms_norm(e.data, ctx.values(w.enorm), eps, rows, D, e.data);
    const Mat<Real> from_embedding = ctx.scratch(rows, D);
    ctx.linear(e, w.e_proj, from_embedding);
    const Mat<Real> h = ctx.scratch(rows * n, D);
    ctx.rms_norm(streams.data, ctx.values(w.hnorm), eps, rows * n, D, h.data);
    ctx.linear(h, w.h_proj, {x.data, rows * n, D});
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t c = 0; c < n * D; ++c) x.row(t)[c] += from_embedding.row(t)[c % D];
    }
    const LayerSlot slot{block, true};
    block_forward<Real>(ctx, config_, *weights_, w.block, layer, slot, *rope_, angles(ctx, batch, slot),
                        batch, batch.tokens.data(), x);
  }
  if (ctx.trace) ctx.trace->streams(layer, x.data, rows, x.cols);
  return logits<Real>(ctx, w.head, x);
}

template ForwardResult<float> Model::forward(const Context<float>&, const Batch&) const;
template ForwardResult<double> Model::forward(const Context<double>&, const Batch&) const;
template Mat<float> Model::forward_mtp(const Context<float>&, int64_t, const Batch&, Mat<const float>) const;
template Mat<double> Model::forward_mtp(const Context<double>&, int64_t, const Batch&,
                                        Mat<const double>) const;

}  // namespace fathom

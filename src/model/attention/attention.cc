#include "model/attention/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/attention/compressor.h"
#include "model/attention/saved_rows.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// Everything the core needs of a layer's batch.
template <class Real>
struct CoreInput {
  const ModelConfig& config;
  LayerConfig layer;
  LayerSlot slot;
  const Batch& batch;
  Mat<const Real> q;             // [rows, H*d]
  const std::byte* window_rows;  // [rows] of the batch in the store's row type
  int64_t row_bytes;
  const Real* sink;
  const IndexerQueries<Real>* indexer;  // CSA that chooses
  Mat<Real> out;                        // [rows, H*d]
  bool choose;                          // CSA: the indexer's choice, else all visible entries
  int32_t* chosen;                      // [rows, width] of the choice, -1 filled; or null
  int64_t chosen_width;
};

// Entries that query t of a CSA layer reads: the indexer's top k of the visible ones, ascending.
template <class Real>
void choose_entries(const Context<Real>& ctx, const CoreInput<Real>& in, const LayerKv& kv, int64_t row,
                    int64_t visible, bool split_over_threads, std::vector<Real>& scores,
                    std::vector<int32_t>& ids) {
  const StepTimer timer(ctx.times && split_over_threads ? &ctx.times->indexer : nullptr);
  const int64_t k = in.config.index_topk;
  ids.resize(static_cast<size_t>(std::min(k, visible)));
  if (visible <= k) {
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(i);
    return;
  }
  scores.resize(static_cast<size_t>(visible));
  const auto score = [&](int64_t first, int64_t last) {
    score_keys(ctx, in.config, in.indexer->q.row(row), in.indexer->weights.row(row), kv.index_keys(), first,
               last, scores.data());
  };
  if (split_over_threads) {
    constexpr int64_t kGrain = 256;  // keys: each piece turns the queries round once
    ctx.parallel_for(visible, kGrain, score);
  } else {
    score(0, visible);
  }
  ctx.kernels().top_k(scores.data(), visible, k, ids.data());
}

// One query: gathers its rows, then runs heads [first_head, last_head).
template <class Real>
class QueryRows {
 public:
  QueryRows(const Context<Real>& ctx, const CoreInput<Real>& in) : ctx_(ctx), in_(in) {}

  void gather(const Span& span, int64_t t, bool split_over_threads) {
    LayerKv& kv = in_.slot.of(*span.kv);
    const int64_t start = kv.position(), position = start + t;
    rows_.clear();
    for (int64_t p = std::max<int64_t>(0, position - in_.config.sliding_window + 1); p <= position; ++p) {
      rows_.push_back(p < start ? kv.window_row(p)
                                : in_.window_rows + (span.first_row + p - start) * in_.row_bytes);
    }
    if (in_.layer.kind == LayerKind::swa) return;
    const int64_t visible = (position + 1) / in_.layer.ratio;
    if (!in_.choose) {
      for (int64_t i = 0; i < visible; ++i) rows_.push_back(kv.entries().row(i));
      return;
    }
    choose_entries(ctx_, in_, kv, span.first_row + t, visible, split_over_threads, scores_, ids_);
    for (const int32_t i : ids_) rows_.push_back(kv.entries().row(i));
    if (in_.chosen) {
      std::copy(ids_.begin(), ids_.end(), in_.chosen + (span.first_row + t) * in_.chosen_width);
    }
  }

  /// Share of the mass on the entries gathered that those of `chosen` have (ids ascending, -1 last).
  double captured(int64_t row, const int32_t* chosen, int64_t width, int64_t visible) {
    const int64_t window = std::ssize(rows_) - visible;
    weigh(row);
    double all = 0, selected = 0;
    for (int64_t i = 0; i < visible; ++i) all += static_cast<double>(mass_[static_cast<size_t>(window + i)]);
    for (int64_t i = 0; i < width && chosen[i] >= 0; ++i)
      selected += static_cast<double>(mass_[static_cast<size_t>(window + chosen[i])]);
    return all > 0 ? selected / all : 1;
  }

  /// What a query reads, for an observer.
  AttentionRow look(const Span& span, int64_t t) {
    gather(span, t, false);
    LayerKv& kv = in_.slot.of(*span.kv);
    const int64_t row = span.first_row + t, position = kv.position() + t;
    weigh(row);
    AttentionRow out;
    const int64_t window = std::min(position + 1, in_.config.sliding_window);
    out.first_position = position + 1 - window;
    const auto heads = static_cast<double>(in_.config.num_attention_heads);
    double sum = 0;
    for (int64_t j = 0; j < std::ssize(mass_); ++j) {
      const double weight = static_cast<double>(mass_[static_cast<size_t>(j)]) / heads;
      sum += weight;
      (j < window ? out.window : out.entry_weights).push_back(static_cast<float>(weight));
    }
    out.sink = static_cast<float>(std::max(0.0, 1 - sum));
    if (in_.layer.kind == LayerKind::swa) return out;
    out.visible = (position + 1) / in_.layer.ratio;
    if (!in_.choose) {
      for (int64_t i = 0; i < out.visible; ++i) out.entries.push_back(static_cast<int32_t>(i));
      return out;
    }
    out.entries = ids_;
    scores_.resize(static_cast<size_t>(out.visible));  // where every entry is taken nobody has scored them
    score_keys(ctx_, in_.config, in_.indexer->q.row(row), in_.indexer->weights.row(row), kv.index_keys(), 0,
               out.visible, scores_.data());
    for (const int32_t i : ids_) out.scores.push_back(static_cast<float>(scores_[static_cast<size_t>(i)]));
    return out;
  }

  void run(int64_t row, int64_t first_head, int64_t last_head) const {
    const int64_t d = in_.config.head_dim;
    ctx_.kernels().attention(in_.q.row(row) + first_head * d, last_head - first_head, d, rows_.data(),
                             static_cast<int64_t>(rows_.size()), ctx_.numerics().kv_type,
                             in_.sink + first_head, 1 / std::sqrt(static_cast<Real>(d)),
                             in_.out.row(row) + first_head * d);
  }

 private:
  // The mass of the gathered rows, summed over the heads.
  void weigh(int64_t row) {
    const int64_t d = in_.config.head_dim;
    mass_.resize(rows_.size());
    ctx_.kernels().attention_mass(in_.q.row(row), in_.config.num_attention_heads, d, rows_.data(),
                                  std::ssize(rows_), ctx_.numerics().kv_type, in_.sink,
                                  1 / std::sqrt(static_cast<Real>(d)), mass_.data());
  }

  const Context<Real>& ctx_;
  const CoreInput<Real>& in_;
  std::vector<const std::byte*> rows_;
  std::vector<Real> scores_, mass_;
  std::vector<int32_t> ids_;
};

std::vector<const Span*> spans_of_rows(const Batch& batch) {
  std::vector<const Span*> span_of(static_cast<size_t>(batch.rows()));
  for (const Span& span : batch.spans) {
    for (int64_t t = 0; t < span.count; ++t) span_of[static_cast<size_t>(span.first_row + t)] = &span;
  }
  return span_of;
}

// What the choice holds of dense attention's mass, for an observer.
template <class Real>
void report_capture(const Context<Real>& ctx, CoreInput<Real> in, int64_t layer) {
  in.choose = false;
  const std::vector<const Span*> span_of = spans_of_rows(in.batch);
  std::vector<double> shares(span_of.size(), 1);
  ctx.parallel_for(in.batch.rows(), 1, [&](int64_t first, int64_t last) {
    QueryRows<Real> query(ctx, in);
    for (int64_t row = first; row < last; ++row) {
      const Span& span = *span_of[static_cast<size_t>(row)];
      const int64_t t = row - span.first_row;
      const int64_t visible = (in.slot.of(*span.kv).position() + t + 1) / in.layer.ratio;
      if (visible <= in.config.index_topk) continue;
      query.gather(span, t, false);
      shares[static_cast<size_t>(row)] =
          query.captured(row, in.chosen + row * in.chosen_width, in.chosen_width, visible);
    }
  });
  ctx.trace->capture(layer, shares.data(), in.batch.rows());
}

// Tells an observer of the rows that it wants to know of.
template <class Real>
void report_rows(const Context<Real>& ctx, const CoreInput<Real>& in, int64_t layer) {
  const std::span<const int64_t> wanted = ctx.trace->attention_rows();
  if (wanted.empty()) return;
  const std::vector<const Span*> span_of = spans_of_rows(in.batch);
  QueryRows<Real> query(ctx, in);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const Span& span = *span_of[static_cast<size_t>(wanted[i])];
    ctx.trace->attention(layer, i, query.look(span, wanted[i] - span.first_row));
  }
}

template <class Real>
void attention_core(const Context<Real>& ctx, const CoreInput<Real>& in) {
  const int64_t heads = in.config.num_attention_heads;
  if (in.batch.rows() < 2 * ctx.threads()) {  // decode: threads share a query
    const StepTimer timer(ctx.times ? &ctx.times->core : nullptr);
    QueryRows<Real> query(ctx, in);
    for (const Span& span : in.batch.spans) {
      for (int64_t t = 0; t < span.count; ++t) {
        query.gather(span, t, true);
        const int64_t block = std::max<int64_t>(1, (heads + ctx.threads() - 1) / ctx.threads());
        const int64_t work = block * in.config.head_dim * 64;
        ctx.parallel_for(heads, work < (1 << 14) ? heads : block,
                         [&](int64_t first, int64_t last) { query.run(span.first_row + t, first, last); });
      }
    }
    return;
  }
  const std::vector<const Span*> span_of = spans_of_rows(in.batch);
  ctx.parallel_for(in.batch.rows(), 1, [&](int64_t first, int64_t last) {
    QueryRows<Real> query(ctx, in);
    for (int64_t row = first; row < last; ++row) {
      const Span& span = *span_of[static_cast<size_t>(row)];
      query.gather(span, row - span.first_row, false);
      query.run(row, 0, heads);
    }
  });
}

// Rows [rows, dim] in the store's row type.
template <class Real>
std::byte* store_rows(const Context<Real>& ctx, Mat<const Real> x) {
  const RowType type = ctx.numerics().kv_type;
  const int64_t bytes = x.cols * row_type_bytes(type);
  auto* out = ctx.arena().template allocate<std::byte>(x.rows * bytes);
  ctx.parallel_rows(x.rows, x.cols * 2, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) store_row(type, x.row(t), x.cols, out + t * bytes);
  });
  return out;
}

}  // namespace

template <class Real>
void attention_forward(const Context<Real>& ctx, const ModelConfig& config,
                       const AttentionParams<WeightView>& w, int64_t layer_index, LayerSlot slot,
                       const RopeTables& rope, const BatchAngles<Real>& angles, const Batch& batch,
                       Mat<const Real> x, Mat<Real> y, AttentionSaved<Real>* saved) {
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  const LayerConfig layer = config.layer(layer_index);
  const int64_t rows = x.rows, H = config.num_attention_heads, d = config.head_dim,
                r = config.qk_rope_head_dim;
  const auto eps = static_cast<Real>(config.rms_norm_eps);
  const Real* cos = angles.cos(layer.kind);
  const Real* sin = angles.sin(layer.kind);
  const bool csa = layer.kind == LayerKind::csa, choose = csa && !(ctx.training && ctx.training->dense_csa);
  const bool indexed =  // a state that goes on needs the indexer's rows whether they are used or not
      choose || (csa && (!ctx.training || ctx.training->indexer_weight > 0 || ctx.training->chunk));
  // The backward pass wants a norm's input beside its result; else the norm is in place.
  const auto result_of = [&](Mat<Real> input) { return saved ? ctx.scratch(input.rows, input.cols) : input; };
  const auto inv_rms = [&](int64_t count) {
    return saved ? ctx.arena().template allocate<Real>(count) : nullptr;
  };

  const Mat<Real> latent = ctx.scratch(rows, config.q_lora_rank), qr = result_of(latent);
  Real* latent_inv_rms = inv_rms(rows);
  ctx.linear_latent(x, w.wq_a, latent);
  ctx.rms_norm(latent.data, ctx.values(w.q_norm), eps, rows, qr.cols, qr.data, latent_inv_rms);
  const Mat<Real> heads = ctx.scratch(rows, H * d), q = result_of(heads);
  Real* head_inv_rms = inv_rms(rows * H);
  ctx.linear(qr, w.wq_b, heads);
  ctx.rms_norm(heads.data, nullptr, eps, rows * H, d, q.data, head_inv_rms);
  ctx.rope(q.data + d - r, rows, q.stride, H, d, r / 2, cos, sin, false);

  const Mat<Real> kv_latent = ctx.scratch(rows, d), kv = result_of(kv_latent);
  Real* kv_inv_rms = inv_rms(rows);
  ctx.linear_latent(x, w.wkv, kv_latent);
  ctx.rms_norm(kv_latent.data, ctx.values(w.kv_norm), eps, rows, d, kv.data, kv_inv_rms);
  ctx.rope(kv.data + d - r, rows, d, 1, d, r / 2, cos, sin, false);
  if (ctx.numerics().quantise_kv) ctx.quantise_fp8(kv.data, rows, d, d - r, 64);

  Mat<Real> main_rows, index_rows;
  IndexerQueries<Real> indexer;
  if (layer.kind != LayerKind::swa) main_rows = compressor_rows(ctx, w.compressor, layer, slot, batch, x);
  if (indexed) {
    index_rows = compressor_rows(ctx, w.indexer.compressor, layer, slot, batch, x);
    indexer = indexer_queries<Real>(ctx, config, w.indexer, x, qr, cos, sin);
  }
  int64_t most_entries = 0;
  for (const Span& span : batch.spans) {
    LayerKv& state = slot.of(*span.kv);
    state.drop_unfinished();
    if (layer.kind == LayerKind::swa) continue;
    close_windows<Real>(ctx, config, w.compressor, layer, rope.compress, EntryUse::kv, span, main_rows, state,
                        state.entries());
    if (indexed) {
      close_windows<Real>(ctx, config, w.indexer.compressor, layer, rope.compress, EntryUse::index_key, span,
                          index_rows, state, state.index_keys());
    }
    most_entries = std::max(most_entries, state.entries().size());
  }

  const Mat<Real> o = ctx.scratch(rows, H * d);
  const RowType type = ctx.numerics().kv_type;
  CoreInput<Real> core{config,
                       layer,
                       slot,
                       batch,
                       q,
                       store_rows<Real>(ctx, kv),
                       d * row_type_bytes(type),
                       ctx.values(w.sink),
                       &indexer,
                       o,
                       choose,
                       nullptr,
                       0};
  if ((ctx.trace || saved) && choose) {
    core.chosen_width = std::min(config.index_topk, most_entries);
    core.chosen = ctx.arena().template allocate<int32_t>(rows * core.chosen_width);
    std::fill_n(core.chosen, rows * core.chosen_width, -1);
  }
  attention_core(ctx, core);
  if (ctx.trace) report_rows(ctx, core, layer_index);
  if (ctx.trace && choose) {
    ctx.trace->indexer(layer_index, core.chosen, rows, core.chosen_width);
    if (ctx.trace->wants_capture()) report_capture(ctx, core, layer_index);
  }
  ctx.rope(o.data + d - r, rows, o.stride, H, d, r / 2, cos, sin, true);

  // Grouped output: group g is rows g*o.. of wo_a and its share of the H*d vector.
  const int64_t G = config.o_groups, rank = config.o_lora_rank, share = H * d / G;
  const Mat<Real> u = ctx.scratch(rows, G * rank);
  for (int64_t g = 0; g < G; ++g) {
    ctx.linear(o.slice_cols(g * share, share), w.wo_a.slice_rows(g * rank, rank),
               u.slice_cols(g * rank, rank), false);
  }
  ctx.linear(u, w.wo_b, y);

  if (saved) {
    saved->query_latent = latent;
    saved->query_norm = qr;
    saved->heads = heads;
    saved->q = q;
    saved->kv_latent = kv_latent;
    saved->query_inv_rms = latent_inv_rms;
    saved->head_inv_rms = head_inv_rms;
    saved->kv_inv_rms = kv_inv_rms;
    saved->indexer = indexer;
    saved->chosen = core.chosen;
    saved->chosen_width = core.chosen_width;
    saved->o = o;
    saved->u = u;
    save_rows<Real>(ctx, config, layer, slot, batch, core.window_rows, main_rows, index_rows, *saved);
  }
  if (ctx.training && !ctx.training->chunk) return;  // whole documents: nothing comes after them
  for (const Span& span : batch.spans) {
    const auto bytes_of = [&](const Mat<Real>& m) {
      return m.data ? reinterpret_cast<const std::byte*>(m.row(span.first_row)) : nullptr;
    };
    slot.of(*span.kv).append(core.window_rows + span.first_row * core.row_bytes, bytes_of(main_rows),
                             bytes_of(index_rows), span.count);
  }
}

FATHOM_INSTANTIATE(attention_forward);

}  // namespace fathom

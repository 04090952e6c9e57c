#include <algorithm>
#include <cmath>
#include <vector>

#include "model/attention/attention.h"
#include "model/attention/compressor.h"
#include "model/attention/partial_rows.h"
#include "model/attention/query_reads.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// Gradients of the core's inputs.
template <class Real>
struct CoreGradients {
  Mat<Real> q;        // [rows, H*d], set
  Mat<Real> kv;       // [KV rows, d], added to
  Mat<Real> entries;  // [entries, d], added to
  Real* sink;         // [H], set
};

// One block's queries in turn; their gradients of rows that others read too go to the block's own sums.
template <class Real>
void block_backward(const Context<Real>& ctx, const ModelConfig& config, const LayerConfig& layer,
                    const AttentionSaved<Real>& saved, const Real* sink, Mat<const Real> dout,
                    const QueryBlock& block, const PartialRows<Real>& window,
                    const PartialRows<Real>& entries, Real* dsink, Mat<Real> dq) {
  const int64_t H = config.num_attention_heads, d = config.head_dim;
  const RowType type = ctx.numerics().kv_type;
  const int64_t row_bytes = d * row_type_bytes(type);
  std::fill_n(window.sums, window.size() * d, Real(0));
  std::fill_n(entries.sums, entries.size() * d, Real(0));
  std::fill_n(dsink, H, Real(0));
  QueryReads reads;
  std::vector<const std::byte*> rows;
  std::vector<Real*> drows;
  for (int64_t t = block.first; t < block.end; ++t) {
    reads.set(config, layer, block.document, t, saved.chosen, saved.chosen_width);
    rows.clear();
    drows.clear();
    for (const int32_t i : reads.window) {
      rows.push_back(saved.kv + i * row_bytes);
      drows.push_back(window.sums + window.place(i) * d);
    }
    for (const int32_t i : reads.entries) {
      rows.push_back(saved.entries + i * row_bytes);
      drows.push_back(entries.sums + entries.place(i) * d);
    }
    const int64_t row = block.document.row(t);
    ctx.kernels().attention_backward(saved.q.row(row), H, d, rows.data(), std::ssize(rows), type, sink,
                                     1 / std::sqrt(static_cast<Real>(d)), dout.row(row), dq.row(row),
                                     drows.data(), dsink);
  }
}

template <class Real>
void core_backward(const Context<Real>& ctx, const ModelConfig& config, const LayerConfig& layer,
                   const BatchRows& batch, const AttentionSaved<Real>& saved, const Real* sink,
                   Mat<const Real> dout, const CoreGradients<Real>& out) {
  const int64_t H = config.num_attention_heads, d = config.head_dim, W = config.sliding_window;
  std::fill_n(out.sink, H, Real(0));
  const std::vector<QueryBlock> blocks = batch.query_blocks();
  const auto bytes = [&](int64_t b) {  // at most
    const QueryBlock& block = blocks[static_cast<size_t>(b)];
    const int64_t visible = layer.kind == LayerKind::swa ? 0 : block.end / layer.ratio;
    const int64_t count = block.end - block.first;
    const int64_t read = saved.chosen ? std::min(visible, count * saved.chosen_width) : visible;
    return (count + W - 1 + read) * d * static_cast<int64_t>(sizeof(Real));
  };
  for_block_runs(std::ssize(blocks), bytes, [&](int64_t begin, int64_t end) {
    const ArenaScope scope(ctx.arena());
    const int64_t count = end - begin;
    std::vector<PartialRows<Real>> window(static_cast<size_t>(count)), entries(window.size());
    ctx.parallel_for(count, 1, [&](int64_t first, int64_t last) {
      for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i) {
        const QueryBlock& block = blocks[static_cast<size_t>(begin) + i];
        for (int64_t p = std::max<int64_t>(0, block.first - W + 1); p < block.end; ++p) {
          window[i].ids.push_back(static_cast<int32_t>(block.document.first_kv + p));
        }
        entries[i].ids = entries_of_block(config, layer, block, saved.chosen, saved.chosen_width);
      }
    });
    for (auto* partials : {&window, &entries}) {
      for (PartialRows<Real>& each : *partials) {
        each.sums = ctx.arena().template allocate<Real>(each.size() * d);
      }
    }
    const Mat<Real> dsink = ctx.scratch(count, H);
    ctx.parallel_for(count, 1, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b) {
        const auto i = static_cast<size_t>(b);
        block_backward<Real>(ctx, config, layer, saved, sink, dout, blocks[static_cast<size_t>(begin + b)],
                             window[i], entries[i], dsink.row(b), out.q);
      }
    });
    add_partial_rows<Real>(ctx, window, out.kv);
    add_partial_rows<Real>(ctx, entries, out.entries);
    for (int64_t b = 0; b < count; ++b) {
      for (int64_t h = 0; h < H; ++h) out.sink[h] += dsink.row(b)[h];
    }
  });
}

template <class Real>
Mat<Real> rows_or_none(Mat<Real> m, int64_t first, int64_t count) {
  return m.data ? m.slice_rows(first, count) : Mat<Real>();
}

}  // namespace

template <class Real>
void attention_backward(const Context<Real>& ctx, const ModelConfig& config,
                        const AttentionParams<WeightView>& w, int64_t layer_index, const RopeTables& rope,
                        const BatchAngles<Real>& angles, const Batch& spans, Mat<const Real> x,
                        const AttentionSaved<Real>& saved, Mat<const Real> dy, Mat<Real> dx,
                        const AttentionParams<Mat<Real>>& grad, IndexerLoss* indexer,
                        LayerKvGrad<Real>* carried) {
  const ArenaScope scope(ctx.arena());
  const LayerConfig layer = config.layer(layer_index);
  const BatchRows batch(spans, config, layer, saved.start);
  const int64_t rows = x.rows, H = config.num_attention_heads, d = config.head_dim,
                r = config.qk_rope_head_dim;
  const Real* cos = angles.cos(layer.kind);
  const Real* sin = angles.sin(layer.kind);
  if (layer.kind == LayerKind::csa && ctx.training && ctx.training->indexer_weight > 0) {
    const IndexerLoss loss = indexer_backward<Real>(ctx, config, w, layer, rope.compress, cos, sin, batch, x,
                                                    saved, grad.indexer, carried);
    if (indexer) *indexer += loss;
  }
  if (!dy.data) return;

  // Grouped output and inverse RoPE.
  const int64_t G = config.o_groups, rank = config.o_lora_rank, share = H * d / G;
  const Mat<Real> du = ctx.scratch(rows, G * rank), dout = ctx.scratch(rows, H * d);
  ctx.linear_backward(dy, saved.u, w.wo_b, du, grad.wo_b, Sum::set);
  for (int64_t g = 0; g < G; ++g) {
    ctx.linear_backward(du.slice_cols(g * rank, rank), saved.o.slice_cols(g * share, share),
                        w.wo_a.slice_rows(g * rank, rank), dout.slice_cols(g * share, share),
                        rows_or_none(grad.wo_a, g * rank, rank), Sum::set, false);
  }
  ctx.rope(dout.data + d - r, rows, dout.stride, H, d, r / 2, cos, sin, false);

  const Mat<Real> dkv = ctx.scratch(batch.kv_before + rows, d);
  std::fill_n(dkv.data, dkv.rows * d, Real(0));
  const Mat<Real> dentries =
      carried_entries(carried ? &carried->entries : nullptr, batch.entries, ctx.scratch(batch.entries, d));
  const CoreGradients<Real> core{ctx.scratch(rows, H * d), dkv, dentries,
                                 ctx.arena().template allocate<Real>(H)};
  core_backward<Real>(ctx, config, layer, batch, saved, ctx.values(w.sink), dout, core);
  for (int64_t h = 0; h < H && grad.sink.data; ++h) grad.sink.data[h] += core.sink[h];

  // Queries.
  ctx.rope(core.q.data + d - r, rows, core.q.stride, H, d, r / 2, cos, sin, true);
  ctx.rms_norm_backward(saved.heads.data, nullptr, saved.head_inv_rms, core.q.data, rows * H, d, core.q.data,
                        nullptr);
  const Mat<Real> dlatent = ctx.scratch(rows, config.q_lora_rank);
  ctx.linear_backward(core.q, saved.query_norm, w.wq_b, dlatent, grad.wq_b, Sum::set);
  ctx.rms_norm_backward(saved.query_latent.data, ctx.values(w.q_norm), saved.query_inv_rms, dlatent.data,
                        rows, dlatent.cols, dlatent.data, grad.q_norm.data);
  ctx.linear_latent_backward(dlatent, x, w.wq_a, dx, grad.wq_a);

  // Keys and values of the window.
  if (carried) carry_rows(carried->kv, dkv, batch.kv_before);
  const Mat<Real> own = dkv.slice_rows(batch.kv_before, rows);
  ctx.rope(own.data + d - r, rows, d, 1, d, r / 2, cos, sin, true);
  ctx.rms_norm_backward(saved.kv_latent.data, ctx.values(w.kv_norm), saved.kv_inv_rms, own.data, rows, d,
                        own.data, grad.kv_norm.data);
  ctx.linear_latent_backward(own, x, w.wkv, dx, grad.wkv);

  if (layer.kind != LayerKind::swa) {
    compressor_backward<Real>(ctx, config, w.compressor, layer, rope.compress, EntryUse::kv, batch, x,
                              saved.main_rows, dentries, dx, grad.compressor,
                              carried ? &carried->main_rows : nullptr);
  }
}

FATHOM_INSTANTIATE(attention_backward);

}  // namespace fathom

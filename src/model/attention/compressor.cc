#include "model/attention/compressor.h"

#include <vector>

#include "model/instantiate.h"

namespace fathom {

template <class Real>
Mat<Real> compressor_rows(const Context<Real>& ctx, const CompressorParams<WeightView>& w,
                          const LayerConfig& layer, LayerSlot slot, const Batch& batch, Mat<const Real> x) {
  const int64_t width = w.wkv.rows;
  const Mat<Real> rows = ctx.scratch(x.rows, 2 * width);
  const ArenaScope scope(ctx.arena());
  ctx.linear_latent(x, w.wkv, rows.slice_cols(0, width));
  ctx.linear_latent(x, w.wgate, rows.slice_cols(width, width));
  const Real* ape = ctx.values(w.ape);
  for (const Span& span : batch.spans) {
    for (int64_t t = 0; t < span.count; ++t) {
      Real* gate = rows.row(span.first_row + t) + width;
      const Real* bias = ape + (slot.of(*span.kv).position() + t) % layer.ratio * width;
      for (int64_t c = 0; c < width; ++c) gate[c] += bias[c];
    }
  }
  return rows;
}

template <class Real>
void close_windows(const Context<Real>& ctx, const ModelConfig& config, const CompressorParams<WeightView>& w,
                   const LayerConfig& layer, const RopeFrequencies& rope, EntryUse use, const Span& span,
                   Mat<const Real> rows, const LayerKv& kv, PagedRows& out) {
  const ArenaScope scope(ctx.arena());
  const int64_t m = layer.ratio, start = kv.position(), end = start + span.count;
  const int64_t first = start / m, last = end / m;
  if (first == last) return;
  const int64_t width = w.wkv.rows, dim = width / layer.overlap(), r = config.qk_rope_head_dim;
  const Real* norm = ctx.values(w.norm);
  out.extend(last - first);

  // Row of position p: from this batch, or from the state.
  const auto row = [&](int64_t p) {
    if (p >= start) return static_cast<const Real*>(rows.row(span.first_row + p - start));
    return reinterpret_cast<const Real*>(use == EntryUse::kv ? kv.compressor_row(p)
                                                             : kv.index_compressor_row(p));
  };
  ctx.parallel_rows(last - first, layer.overlap() * m * dim * 8, [&](int64_t begin, int64_t stop) {
    std::vector<const Real*> values, gates;
    std::vector<Real> entry(static_cast<size_t>(dim)), cos(static_cast<size_t>(r / 2)), sin(cos.size());
    for (int64_t i = first + begin; i < first + stop; ++i) {
      values.clear();
      gates.clear();
      const auto add = [&](int64_t p, int64_t half) {
        values.push_back(row(p) + half * dim);
        gates.push_back(row(p) + width + half * dim);
      };
      if (layer.kind == LayerKind::csa) {
        // The first half of the channels of the previous window; entry 0 has none, which is weight 0.
        for (int64_t p = (i - 1) * m; i > 0 && p < i * m; ++p) add(p, 0);
        for (int64_t p = i * m; p < (i + 1) * m; ++p) add(p, 1);
      } else {
        for (int64_t p = i * m; p < (i + 1) * m; ++p) add(p, 0);
      }
      ctx.kernels().pool_window(values.data(), gates.data(), static_cast<int64_t>(values.size()), dim,
                                entry.data());
      ctx.kernels().rms_norm(entry.data(), norm, static_cast<Real>(config.rms_norm_eps), 1, dim, entry.data(),
                             nullptr);
      rope.angles(i * m, cos.data(), sin.data());
      ctx.kernels().rope(entry.data() + dim - r, 1, dim, 1, dim, r / 2, cos.data(), sin.data(), false);
      if (use == EntryUse::kv && ctx.numerics().quantise_kv) {
        ctx.kernels().quantise_fp8(entry.data(), 1, dim, dim - r, 64, true);
      }
      if (use == EntryUse::index_key && ctx.numerics().quantise_indexer) {
        ctx.kernels().hadamard_fp4(entry.data(), 1, dim, dim);
      }
      store_row(ctx.numerics().kv_type, entry.data(), dim, out.mutable_row(i));
    }
  });
}

FATHOM_INSTANTIATE(compressor_rows);
FATHOM_INSTANTIATE(close_windows);

}  // namespace fathom

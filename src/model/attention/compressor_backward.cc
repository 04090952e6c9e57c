#include <algorithm>
#include <vector>

#include "model/attention/compressor.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// The rows that an entry pools, as pointers to their values and gates (the halves of a compressor row).
template <class T>
struct WindowRows {
  std::vector<T*> values, gates;

  void set(Mat<T> rows, const LayerConfig& layer, const DocumentRows& document, int64_t entry, int64_t dim) {
    const int64_t m = layer.ratio, width = layer.overlap() * dim;
    values.clear();
    gates.clear();
    const auto add = [&](int64_t position, int64_t half) {
      T* row = rows.row(document.first_pooled + position) + half * dim;
      values.push_back(row);
      gates.push_back(row + width);
    };
    const bool overlap = layer.kind == LayerKind::csa;
    for (int64_t p = (entry - 1) * m; overlap && entry > 0 && p < entry * m; ++p) add(p, 0);
    for (int64_t p = entry * m; p < (entry + 1) * m; ++p) add(p, overlap ? 1 : 0);
  }
};

// f(i, document, entry of the document) for the entries that the batch completes, threads sharing them.
template <class Real, class F>
void for_entries(const Context<Real>& ctx, const BatchRows& batch, int64_t work, const F& make) {
  ctx.parallel_rows(batch.new_entries, work, [&](int64_t first, int64_t last) {
    auto f = make();
    int64_t begin = 0;  // of the document's
    for (const DocumentRows& d : batch.documents) {
      const int64_t end = begin + d.entries - d.old_entries;
      for (int64_t i = std::max(first, begin); i < std::min(last, end); ++i)
        f(i, d, i - begin + d.old_entries);
      begin = end;
    }
  });
}

// dape[p] += the gate gradients of all rows at positions p, p + m, ...: threads split the positions' phases.
template <class Real>
void add_position_biases(const Context<Real>& ctx, const BatchRows& batch, Mat<const Real> dgates,
                         Mat<Real> dape) {
  ctx.parallel_for(dape.rows, 1, [&](int64_t first, int64_t last) {
    for (int64_t phase = first; phase < last; ++phase) {
      Real* sum = dape.row(phase);
      for (const DocumentRows& d : batch.documents) {
        const int64_t past = (d.start - phase + dape.rows - 1) / dape.rows;
        for (int64_t p = phase + std::max<int64_t>(0, past) * dape.rows; p < d.end(); p += dape.rows) {
          const Real* gate = dgates.row(d.row(p));
          for (int64_t c = 0; c < dape.cols; ++c) sum[c] += gate[c];
        }
      }
    }
  });
}

}  // namespace

template <class Real>
void compressor_backward(const Context<Real>& ctx, const ModelConfig& config,
                         const CompressorParams<WeightView>& w, const LayerConfig& layer,
                         const RopeFrequencies& rope, EntryUse use, const BatchRows& batch, Mat<const Real> x,
                         Mat<const Real> rows, Mat<Real> all_dentries, Mat<Real> dx,
                         const CompressorParams<Mat<Real>>& grad, std::vector<Real>* carried) {
  const ArenaScope scope(ctx.arena());
  const Mat<Real> dentries = all_dentries.slice_rows(batch.entries - batch.new_entries, batch.new_entries);
  const int64_t dim = dentries.cols, width = layer.overlap() * dim, r = config.qk_rope_head_dim,
                window = layer.overlap() * layer.ratio;
  const auto eps = static_cast<Real>(config.rms_norm_eps);

  // The entries before their norm, and the gradient back through the rotation.
  const Mat<Real> pooled = ctx.scratch(batch.new_entries, dim);
  Real* inv_rms = ctx.arena().template allocate<Real>(batch.new_entries);
  const bool rotated = use == EntryUse::index_key && ctx.numerics().quantise_indexer;
  for_entries(ctx, batch, window * dim * 8, [&] {
    return [&, from = WindowRows<const Real>(), cos = std::vector<Real>(static_cast<size_t>(r / 2)),
            sin = std::vector<Real>(static_cast<size_t>(r / 2))](int64_t at, const DocumentRows& document,
                                                                 int64_t entry) mutable {
      from.set(rows, layer, document, entry, dim);
      ctx.kernels().pool_window(from.values.data(), from.gates.data(), std::ssize(from.values), dim,
                                pooled.row(at));
      if (rotated) ctx.kernels().hadamard(dentries.row(at), 1, dim, dim);
      rope.angles(entry * layer.ratio, cos.data(), sin.data());
      ctx.kernels().rope(dentries.row(at) + dim - r, 1, dim, 1, dim, r / 2, cos.data(), sin.data(), true);
    };
  });
  ctx.rms_norm(pooled.data, nullptr, eps, batch.new_entries, dim, nullptr, inv_rms);
  ctx.rms_norm_backward(pooled.data, ctx.values(w.norm), inv_rms, dentries.data, batch.new_entries, dim,
                        dentries.data, grad.norm.data);

  // Each half of a compressor row belongs to one entry or to none.
  const Mat<Real> drows = ctx.scratch(rows.rows, 2 * width);
  ctx.parallel_rows(drows.rows, drows.cols, [&](int64_t first, int64_t last) {
    std::fill(drows.row(first), drows.row(last), Real(0));
  });
  for_entries(ctx, batch, window * dim * 16, [&] {
    return [&, from = WindowRows<const Real>(), to = WindowRows<Real>()](
               int64_t at, const DocumentRows& document, int64_t entry) mutable {
      from.set(rows, layer, document, entry, dim);
      to.set(drows, layer, document, entry, dim);
      ctx.kernels().pool_window_backward(from.values.data(), from.gates.data(), std::ssize(from.values), dim,
                                         dentries.row(at), to.values.data(), to.gates.data());
    };
  });

  if (carried) carry_rows(*carried, drows, batch.pooled_before);
  const Mat<Real> own = drows.slice_rows(batch.pooled_before, batch.rows);
  const Mat<Real> dvalues = own.slice_cols(0, width), dgates = own.slice_cols(width, width);
  if (grad.ape.data) add_position_biases<Real>(ctx, batch, dgates, grad.ape);
  ctx.linear_latent_backward(dvalues, x, w.wkv, dx, grad.wkv);
  ctx.linear_latent_backward(dgates, x, w.wgate, dx, grad.wgate);
}

FATHOM_INSTANTIATE(compressor_backward);

}  // namespace fathom

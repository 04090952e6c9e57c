#pragma once
/// What every loss of the head has around it; internal to model/head*.cc.

#include <algorithm>

#include "model/head.h"
#include "model/hyper_connection.h"

namespace fathom {

/// Runs f(first, x, dx) on chunks of the streams' normed rows x [count, D]; with `grad`, f sets dx, and the
/// way back to the streams follows.
template <class Real, class F>
void over_head_rows(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
                    Mat<const Real> streams, const HeadGradients<Real>* grad, F&& f) {
  constexpr int64_t kRowChunk = 1024;  // rows, whole blocks of linear_dw's sums
  const ArenaScope scope(ctx.arena());
  const int64_t rows = streams.rows, D = config.hidden_size;
  HcSaved<Real> hc;
  const Mat<Real> row = ctx.scratch(rows, D), x = ctx.scratch(rows, D);
  Real* inv_rms = ctx.arena().template allocate<Real>(rows);
  hc_head<Real>(ctx, config, w.hc, streams, row, &hc);
  ctx.rms_norm(row.data, ctx.values(w.norm), static_cast<Real>(config.rms_norm_eps), rows, D, x.data,
               inv_rms);
  const Mat<Real> dx = grad ? ctx.scratch(rows, D) : Mat<Real>{};
  for (int64_t first = 0; first < rows; first += kRowChunk) {
    const ArenaScope chunk_scope(ctx.arena());
    const int64_t count = std::min(kRowChunk, rows - first);
    f(first, Mat<const Real>(x.slice_rows(first, count)), grad ? dx.slice_rows(first, count) : dx);
  }
  if (!grad) return;
  ctx.rms_norm_backward(row.data, ctx.values(w.norm), inv_rms, dx.data, rows, D, dx.data,
                        grad->head.norm.data);
  std::fill_n(grad->d_streams.data, rows * streams.cols, Real(0));
  hc_head_backward<Real>(ctx, config, w.hc, streams, hc, dx, grad->d_streams, grad->head.hc);
}

}  // namespace fathom

#include "model/hyper_connection.h"

#include <algorithm>
#include <cmath>

#include "model/instantiate.h"

namespace fathom {
namespace {

// z = fn row and 1 / rms(row), both in fp32 in every mode.
template <class Real>
Mat<Real> project(const Context<Real>& ctx, const ModelConfig& config, const WeightView& fn,
                  Mat<const Real> streams, Real* inv_rms) {
  const Mat<Real> z = ctx.scratch(streams.rows, fn.rows);
  ctx.linear_exact(streams, fn, z);
  ctx.rms_norm(streams.data, nullptr, static_cast<Real>(config.rms_norm_eps), streams.rows, streams.cols,
               nullptr, inv_rms);
  return z;
}

template <class Real>
Real head_sigmoid(Real v) {
  return 1 / (1 + std::exp(-v));
}

// Backward of project(): z's gradient through fn, and the row's RMS.
template <class Real>
void projection_backward(const Context<Real>& ctx, const WeightView& fn, Mat<const Real> streams,
                         const Real* inv_rms, Mat<const Real> dz, Real* d_inv_rms, Mat<Real> d_streams,
                         Mat<Real> d_fn) {
  ctx.linear_exact_backward(dz, streams, fn, d_streams, d_fn);
  for (int64_t t = 0; t < streams.rows; ++t) {
    const Real r = inv_rms[t];
    d_inv_rms[t] *= -(r * r * r) / static_cast<Real>(streams.cols);
  }
  ctx.parallel_rows(streams.rows, streams.cols * 2, [&](int64_t first, int64_t last) {
    ctx.kernels().add_scaled_rows(streams.row(first), d_inv_rms + first, last - first, streams.cols,
                                  d_streams.row(first));
  });
}

template <class Real>
void collapse_backward(const Context<Real>& ctx, int64_t n, Mat<const Real> streams, const Real* pre,
                       Mat<const Real> dx, Mat<Real> d_streams, Real* d_pre) {
  ctx.parallel_rows(streams.rows, streams.cols * 4, [&](int64_t first, int64_t last) {
    ctx.kernels().hc_collapse_backward(streams.row(first), pre + first * n, dx.row(first), last - first, n,
                                       dx.cols, d_streams.row(first), d_pre + first * n);
  });
}

template <class Real>
void add_to(Mat<Real> grad, const Real* values) {
  if (!grad.data) return;
  for (int64_t i = 0; i < grad.rows * grad.cols; ++i) grad.data[i] += values[i];
}

}  // namespace

template <class Real>
HcWeights<Real> hc_mix(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                       Mat<const Real> streams, HcSaved<Real>* saved) {
  const int64_t rows = streams.rows, n = config.hc_mult;
  Real* inv_rms = ctx.arena().template allocate<Real>(rows);
  Real* pre = ctx.arena().template allocate<Real>(rows * n);
  Real* post = ctx.arena().template allocate<Real>(rows * n);
  Real* comb = ctx.arena().template allocate<Real>(rows * n * n);
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  const Mat<Real> z = project(ctx, config, w.fn, streams, inv_rms);
  if (saved) *saved = {z, inv_rms};
  const Real* scale = ctx.values(w.scale);
  const Real* base = ctx.values(w.base);
  ctx.parallel_rows(rows, n * n * config.hc_sinkhorn_iters * 4, [&](int64_t first, int64_t last) {
    ctx.kernels().hc_mix(z.row(first), inv_rms + first, scale, base, last - first, n,
                         config.hc_sinkhorn_iters, static_cast<Real>(config.hc_eps), pre + first * n,
                         post + first * n, comb + first * n * n);
  });
  return {pre, post, comb};
}

template <class Real>
void hc_collapse(const Context<Real>& ctx, const ModelConfig& config, Mat<const Real> streams,
                 const Real* pre, Mat<Real> x) {
  const int64_t n = config.hc_mult;
  ctx.parallel_rows(streams.rows, streams.cols, [&](int64_t first, int64_t last) {
    ctx.kernels().hc_collapse(streams.row(first), pre + first * n, last - first, n, x.cols, x.row(first));
  });
}

template <class Real>
void hc_apply(const Context<Real>& ctx, const ModelConfig& config, const HcWeights<Real>& weights,
              Mat<const Real> y, Mat<Real> streams) {
  const int64_t n = config.hc_mult;
  ctx.parallel_rows(streams.rows, streams.cols * n, [&](int64_t first, int64_t last) {
    ctx.kernels().hc_apply(streams.row(first), y.row(first), weights.post + first * n,
                           weights.comb + first * n * n, last - first, n, y.cols);
  });
}

template <class Real>
void hc_head(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
             Mat<const Real> streams, Mat<Real> x, HcSaved<Real>* saved) {
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  Real* inv_rms = ctx.arena().template allocate<Real>(streams.rows);
  const Mat<Real> z = project(ctx, config, w.fn, streams, inv_rms);
  if (saved) *saved = {z, inv_rms};
  const Mat<Real> pre = ctx.scratch(streams.rows, config.hc_mult);
  const Real scale = ctx.values(w.scale)[0];
  const Real* base = ctx.values(w.base);
  for (int64_t t = 0; t < streams.rows; ++t) {
    for (int64_t i = 0; i < pre.cols; ++i) {
      pre.row(t)[i] =
          head_sigmoid(z.row(t)[i] * inv_rms[t] * scale + base[i]) + static_cast<Real>(config.hc_eps);
    }
  }
  hc_collapse<Real>(ctx, config, streams, pre.data, x);
}

template <class Real>
void hc_apply_backward(const Context<Real>& ctx, const ModelConfig& config, const HcWeights<Real>& weights,
                       Mat<const Real> streams, Mat<const Real> y, Mat<Real> d_streams, Mat<Real> dy,
                       const HcGradients<Real>& d) {
  const int64_t n = config.hc_mult;
  ctx.parallel_rows(streams.rows, streams.cols * n * 2, [&](int64_t first, int64_t last) {
    ctx.kernels().hc_apply_backward(streams.row(first), y.row(first), weights.post + first * n,
                                    weights.comb + first * n * n, last - first, n, y.cols,
                                    d_streams.row(first), dy.row(first), d.post + first * n,
                                    d.comb + first * n * n);
  });
}

template <class Real>
void hc_mix_backward(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                     Mat<const Real> streams, const HcWeights<Real>& weights, const HcSaved<Real>& saved,
                     Mat<const Real> dx, const HcGradients<Real>& d, Mat<Real> d_streams,
                     const HcParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = streams.rows, n = config.hc_mult, width = (2 + n) * n;
  collapse_backward(ctx, n, streams, weights.pre, dx, d_streams, d.pre);
  const Mat<Real> dz = ctx.scratch(rows, width);
  Real* d_inv_rms = ctx.arena().template allocate<Real>(rows);
  const Real* scale = ctx.values(w.scale);
  const Real* base = ctx.values(w.base);
  const Mat<Real> sums = ctx.scratch(1, 3 + width);  // of scale, of base
  std::fill_n(sums.data, sums.cols, Real(0));
  ctx.sum_row_blocks(rows, sums.cols, sums.data, [&](int64_t first, int64_t last, Real* partial) {
    ctx.kernels().hc_mix_backward(saved.z.row(first), saved.inv_rms + first, scale, base, last - first, n,
                                  config.hc_sinkhorn_iters, static_cast<Real>(config.hc_eps),
                                  d.pre + first * n, d.post + first * n, d.comb + first * n * n,
                                  dz.row(first), d_inv_rms + first, partial, partial + 3);
  });
  add_to(grad.scale, sums.data);
  add_to(grad.base, sums.data + 3);
  projection_backward<Real>(ctx, w.fn, streams, saved.inv_rms, dz, d_inv_rms, d_streams, grad.fn);
}

template <class Real>
void hc_head_backward(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                      Mat<const Real> streams, const HcSaved<Real>& saved, Mat<const Real> dx,
                      Mat<Real> d_streams, const HcParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = streams.rows, n = config.hc_mult;
  const Real scale = ctx.values(w.scale)[0];
  const Real* base = ctx.values(w.base);
  const Mat<Real> pre = ctx.scratch(rows, n), d = ctx.scratch(rows, n), sums = ctx.scratch(1, 1 + n);
  Real* d_inv_rms = ctx.arena().template allocate<Real>(rows);
  const auto eps = static_cast<Real>(config.hc_eps);
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t i = 0; i < n; ++i) {
      pre.row(t)[i] = head_sigmoid(saved.z.row(t)[i] * saved.inv_rms[t] * scale + base[i]) + eps;
    }
  }
  collapse_backward(ctx, n, streams, static_cast<const Real*>(pre.data), dx, d_streams, d.data);
  std::fill_n(sums.data, sums.cols, Real(0));
  for (int64_t t = 0; t < rows; ++t) {
    const Real r = saved.inv_rms[t];
    d_inv_rms[t] = 0;
    for (int64_t i = 0; i < n; ++i) {
      const Real z = saved.z.row(t)[i], sigmoid = head_sigmoid(z * r * scale + base[i]);
      Real& v = d.row(t)[i];
      v *= sigmoid * (1 - sigmoid);
      sums.data[0] += v * (z * r);
      sums.data[1 + i] += v;
      d_inv_rms[t] += v * scale * z;
      v *= scale * r;
    }
  }
  add_to(grad.scale, sums.data);
  add_to(grad.base, sums.data + 1);
  projection_backward<Real>(ctx, w.fn, streams, saved.inv_rms, d, d_inv_rms, d_streams, grad.fn);
}

FATHOM_INSTANTIATE(hc_mix);
FATHOM_INSTANTIATE(hc_collapse);
FATHOM_INSTANTIATE(hc_apply);
FATHOM_INSTANTIATE(hc_head);
FATHOM_INSTANTIATE(hc_apply_backward);
FATHOM_INSTANTIATE(hc_mix_backward);
FATHOM_INSTANTIATE(hc_head_backward);

}  // namespace fathom

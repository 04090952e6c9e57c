#include "model/hyper_connection.h"

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

}  // namespace

template <class Real>
HcWeights<Real> hc_mix(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                       Mat<const Real> streams) {
  const int64_t rows = streams.rows, n = config.hc_mult;
  Real* inv_rms = ctx.arena().template allocate<Real>(rows);
  Real* pre = ctx.arena().template allocate<Real>(rows * n);
  Real* post = ctx.arena().template allocate<Real>(rows * n);
  Real* comb = ctx.arena().template allocate<Real>(rows * n * n);
  const ArenaScope scope(ctx.arena());
  const Mat<Real> z = project(ctx, config, w.fn, streams, inv_rms);
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
             Mat<const Real> streams, Mat<Real> x) {
  const ArenaScope scope(ctx.arena());
  const int64_t n = config.hc_mult;
  Real* inv_rms = ctx.arena().template allocate<Real>(streams.rows);
  const Mat<Real> pre = project(ctx, config, w.fn, streams, inv_rms);
  const Real scale = ctx.values(w.scale)[0];
  const Real* base = ctx.values(w.base);
  for (int64_t t = 0; t < streams.rows; ++t) {
    for (int64_t i = 0; i < n; ++i) {
      Real& p = pre.row(t)[i];
      p = 1 / (1 + std::exp(-(p * inv_rms[t] * scale + base[i]))) + static_cast<Real>(config.hc_eps);
    }
  }
  hc_collapse<Real>(ctx, config, streams, pre.data, x);
}

FATHOM_INSTANTIATE(hc_mix);
FATHOM_INSTANTIATE(hc_collapse);
FATHOM_INSTANTIATE(hc_apply);
FATHOM_INSTANTIATE(hc_head);

}  // namespace fathom

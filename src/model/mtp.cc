#include "model/mtp.h"

#include <algorithm>

#include "model/embedding.h"
#include "model/instantiate.h"

namespace fathom {

template <class Real>
void mtp_input(const Context<Real>& ctx, const ModelConfig& config, const MtpParams<WeightView>& w,
               const WeightView& table, std::span<const int32_t> tokens, Mat<const Real> streams, Mat<Real> x,
               MtpSaved<Real>* saved) {
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  const int64_t rows = streams.rows, D = config.hidden_size, n = config.hc_mult;
  const auto eps = static_cast<Real>(config.rms_norm_eps);
  const Mat<Real> embedded = embed(ctx, table, tokens), e = saved ? ctx.scratch(rows, D) : embedded;
  Real* e_inv_rms = saved ? ctx.arena().template allocate<Real>(rows) : nullptr;
  Real* h_inv_rms = saved ? ctx.arena().template allocate<Real>(rows * n) : nullptr;
  ctx.rms_norm(embedded.data, ctx.values(w.enorm), eps, rows, D, e.data, e_inv_rms);
  const Mat<Real> from_embedding = ctx.scratch(rows, D);
  ctx.linear(e, w.e_proj, from_embedding);
  const Mat<Real> h = ctx.scratch(rows * n, D);
  ctx.rms_norm(streams.data, ctx.values(w.hnorm), eps, rows * n, D, h.data, h_inv_rms);
  ctx.linear(h, w.h_proj, {x.data, rows * n, D});
  ctx.parallel_rows(rows, n * D, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = 0; i < n; ++i) {
        Real* out = x.row(t) + i * D;
        for (int64_t c = 0; c < D; ++c) out[c] += from_embedding.row(t)[c];
      }
    }
  });
  if (saved) *saved = {embedded, e, e_inv_rms, h_inv_rms, h};
}

template <class Real>
void mtp_input_backward(const Context<Real>& ctx, const ModelConfig& config, const MtpParams<WeightView>& w,
                        std::span<const int32_t> tokens, Mat<const Real> streams, const MtpSaved<Real>& saved,
                        Mat<const Real> dx, Mat<Real> d_streams, Mat<Real> d_table,
                        const MtpParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = streams.rows, D = config.hidden_size, n = config.hc_mult;
  const Mat<Real> d_h = ctx.scratch(rows * n, D), d_e = ctx.scratch(rows, D), d_sum = ctx.scratch(rows, D);
  ctx.linear_backward({dx.data, rows * n, D}, saved.h, w.h_proj, d_h, grad.h_proj, Sum::set);
  ctx.rms_norm_backward(streams.data, ctx.values(w.hnorm), saved.h_inv_rms, d_h.data, rows * n, D,
                        d_streams.data, grad.hnorm.data, Sum::add);
  ctx.parallel_rows(rows, n * D, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::copy_n(dx.row(t), D, d_sum.row(t));
      for (int64_t i = 1; i < n; ++i) {
        for (int64_t c = 0; c < D; ++c) d_sum.row(t)[c] += dx.row(t)[i * D + c];
      }
    }
  });
  ctx.linear_backward(d_sum, saved.e, w.e_proj, d_e, grad.e_proj, Sum::set);
  ctx.rms_norm_backward(saved.embedded.data, ctx.values(w.enorm), saved.e_inv_rms, d_e.data, rows, D,
                        d_e.data, grad.enorm.data);
  embed_backward<Real>(ctx, tokens, 1, d_e, d_table);
}
FATHOM_INSTANTIATE(mtp_input);
FATHOM_INSTANTIATE(mtp_input_backward);

}  // namespace fathom

#include "model/moe/expert.h"

#include "model/instantiate.h"

namespace fathom {

template <class Real>
void expert_forward(const Context<Real>& ctx, const ExpertParams<WeightView>& w, Real limit,
                    Mat<const Real> x, const Real* route, Mat<Real> y, const ExpertSaved<Real>* saved) {
  const ArenaScope scope(ctx.arena());
  const Mat<Real> gate = saved ? saved->gate : ctx.scratch(x.rows, w.w1.rows);
  const Mat<Real> up = saved ? saved->up : ctx.scratch(x.rows, w.w3.rows);
  const Mat<Real> act = saved ? ctx.scratch(x.rows, w.w1.rows) : gate;
  ctx.linear(x, w.w1, gate);
  ctx.linear(x, w.w3, up);
  ctx.swiglu(gate, up, route, limit, act);
  ctx.linear(act, w.w2, y);
}

template <class Real>
void expert_backward(const Context<Real>& ctx, const ExpertParams<WeightView>& w, Real limit,
                     Mat<const Real> x, const Real* route, const ExpertSaved<Real>& saved, Mat<const Real> dy,
                     Mat<Real> dx, Real* d_route, const ExpertParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = x.rows, inter = w.w1.rows;
  const Mat<Real> act = ctx.scratch(rows, inter), d_act = ctx.scratch(rows, inter);
  const Mat<Real> d_gate = ctx.scratch(rows, inter), d_up = ctx.scratch(rows, inter);
  // w2's own gradient wants act, which comes out of swiglu's backward pass.
  ctx.linear_backward(dy, act, w.w2, d_act, {}, Sum::set);
  ctx.swiglu_backward(saved.gate, saved.up, route, limit, d_act, act, d_gate, d_up, d_route);
  ctx.linear_backward(dy, act, w.w2, {}, grad.w2);
  ctx.linear_backward(d_gate, x, w.w1, dx, grad.w1, Sum::set);
  ctx.linear_backward(d_up, x, w.w3, dx, grad.w3, Sum::add);
}
FATHOM_INSTANTIATE(expert_forward);
FATHOM_INSTANTIATE(expert_backward);

}  // namespace fathom

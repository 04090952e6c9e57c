#include "model/moe/expert.h"

#include "model/instantiate.h"

namespace fathom {

template <class Real>
void expert_forward(const Context<Real>& ctx, const ExpertParams<WeightView>& w, Real limit,
                    Mat<const Real> x, const Real* route, Mat<Real> y) {
  const ArenaScope scope(ctx.arena());
  const Mat<Real> gate = ctx.scratch(x.rows, w.w1.rows), up = ctx.scratch(x.rows, w.w3.rows);
  ctx.linear(x, w.w1, gate);
  ctx.linear(x, w.w3, up);
  ctx.swiglu(gate, up, route, limit, gate);
  ctx.linear(gate, w.w2, y);
}
FATHOM_INSTANTIATE(expert_forward);

}  // namespace fathom

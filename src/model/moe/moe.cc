#include "model/moe/moe.h"

#include <algorithm>

#include "model/instantiate.h"
#include "model/moe/kept_experts.h"

namespace fathom {
namespace {

ExpertGroups group_by_expert(Arena& arena, const int32_t* ids, int64_t rows, int64_t k, int64_t experts) {
  auto* first = arena.allocate<int32_t>(experts + 1);
  auto* pair = arena.allocate<int32_t>(rows * k);
  auto* next = arena.allocate<int32_t>(experts);
  std::fill_n(first, experts + 1, 0);
  for (int64_t i = 0; i < rows * k; ++i) ++first[ids[i] + 1];
  for (int64_t e = 0; e < experts; ++e) next[e] = first[e + 1] += first[e];
  for (int64_t e = experts - 1; e >= 0; --e) next[e] = first[e];
  for (int64_t i = 0; i < rows * k; ++i) pair[next[ids[i]]++] = static_cast<int32_t>(i);
  return {first, pair};
}

}  // namespace

template <class Real>
void moe_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                 const MoeParams<WeightView>& w, int64_t layer, const int32_t* tokens, Mat<const Real> x,
                 Mat<Real> y, MoeSaved<Real>* saved) {
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  const int64_t rows = x.rows, D = x.cols, k = config.num_experts_per_tok;
  const auto limit = static_cast<Real>(config.swiglu_limit);
  const Routes<Real> routes =
      route<Real>(ctx, config, w, config.layer(layer).hash, tokens, x, saved ? &saved->router : nullptr);
  if (ctx.trace) ctx.trace->router(layer, routes.ids, routes.weights, rows, k);
  const ExpertGroups groups = group_by_expert(ctx.arena(), routes.ids, rows, k, config.n_routed_experts);
  if (saved) {
    saved->routes = routes;
    saved->groups = groups;
    kept_experts_forward<Real>(ctx, config, weights, w, x, y, *saved);
    return;
  }

  for (int64_t t = 0; t < rows; ++t) std::fill_n(y.row(t), D, Real(0));
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    const int64_t count = groups.first[e + 1] - groups.first[e];
    if (count == 0) continue;
    const ArenaScope expert_scope(ctx.arena());
    const int32_t* pairs = groups.pair + groups.first[e];
    const Mat<Real> in = ctx.scratch(count, D), out = ctx.scratch(count, D);
    Real* route_weights = ctx.arena().template allocate<Real>(count);
    ctx.parallel_rows(count, D, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::copy_n(x.row(pairs[i] / k), D, in.row(i));
        route_weights[i] = routes.weights[pairs[i]];
      }
    });
    const ExpertLease lease = weights.acquire(w, e);
    expert_forward<Real>(ctx, lease.weights, limit, in, route_weights, out);
    ctx.parallel_rows(count, D, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        Real* sum = y.row(pairs[i] / k);
        const Real* value = out.row(i);
        for (int64_t c = 0; c < D; ++c) sum[c] += value[c];
      }
    });
  }
  const Mat<Real> shared = ctx.scratch(rows, D);
  expert_forward<Real>(ctx, w.shared, limit, x, nullptr, shared);
  ctx.parallel_rows(rows, D, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t c = 0; c < D; ++c) y.row(t)[c] += shared.row(t)[c];
    }
  });
}

template <class Real>
double moe_backward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                    const MoeParams<WeightView>& w, const std::vector<Span>* documents, Mat<const Real> x,
                    const MoeSaved<Real>& saved, Mat<const Real> dy, Mat<Real> dx,
                    const MoeParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx.arena());
  Real* d_weights = ctx.arena().template allocate<Real>(x.rows * saved.routes.k);
  kept_experts_backward<Real>(ctx, config, weights, w, x, saved, dy, dx, d_weights, grad);
  const double balance_weight = ctx.training ? ctx.training->balance_weight : 0;
  return route_backward<Real>(ctx, config, w, x, saved.routes, saved.router, d_weights, documents,
                              balance_weight, dx, grad.gate);
}
FATHOM_INSTANTIATE(moe_forward);
FATHOM_INSTANTIATE(moe_backward);

}  // namespace fathom

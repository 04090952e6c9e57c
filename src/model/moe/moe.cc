#include "model/moe/moe.h"

#include <algorithm>

#include "model/instantiate.h"
#include "model/moe/expert.h"
#include "model/moe/router.h"

namespace fathom {
namespace {

// Pairs (row, its place among the row's k routes) in expert order, rows ascending within an expert.
struct Groups {
  const int32_t* first;  // [E + 1]
  const int32_t* pair;   // [rows * k], row * k + place
};

Groups group_by_expert(Arena& arena, const int32_t* ids, int64_t rows, int64_t k, int64_t experts) {
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
                 Mat<Real> y) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = x.rows, D = x.cols, k = config.num_experts_per_tok;
  const auto limit = static_cast<Real>(config.swiglu_limit);
  const Routes<Real> routes = route<Real>(ctx, config, w, config.layer(layer).hash, tokens, x);
  if (ctx.trace) ctx.trace->router(layer, routes.ids, routes.weights, rows, k);
  const Groups groups = group_by_expert(ctx.arena(), routes.ids, rows, k, config.n_routed_experts);

  for (int64_t t = 0; t < rows; ++t) std::fill_n(y.row(t), D, Real(0));
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    const int64_t count = groups.first[e + 1] - groups.first[e];
    if (count == 0) continue;
    const ArenaScope expert_scope(ctx.arena());
    const int32_t* pairs = groups.pair + groups.first[e];
    const Mat<Real> in = ctx.scratch(count, D), out = ctx.scratch(count, D);
    Real* route_weights = ctx.arena().template allocate<Real>(count);
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(x.row(pairs[i] / k), D, in.row(i));
      route_weights[i] = routes.weights[pairs[i]];
    }
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
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = 0; c < D; ++c) y.row(t)[c] += shared.row(t)[c];
  }
}
FATHOM_INSTANTIATE(moe_forward);

}  // namespace fathom

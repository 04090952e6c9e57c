#include "model/moe/router.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "model/instantiate.h"

namespace fathom {

template <class Real>
Routes<Real> route(const Context<Real>& ctx, const ModelConfig& config, const MoeParams<WeightView>& w,
                   bool hash, const int32_t* tokens, Mat<const Real> x) {
  const int64_t E = config.n_routed_experts, k = config.num_experts_per_tok, rows = x.rows;
  int32_t* ids = ctx.arena().template allocate<int32_t>(rows * k);
  Real* weights = ctx.arena().template allocate<Real>(rows * k);
  const ArenaScope scope(ctx.arena());
  const Mat<Real> s = ctx.scratch(rows, E);
  ctx.linear_exact(x, w.gate, s);
  const Real* bias = hash ? nullptr : ctx.values(w.bias);
  ctx.parallel_rows(rows, E * 16, [&](int64_t first, int64_t last) {
    std::vector<Real> biased(static_cast<size_t>(E));
    for (int64_t t = first; t < last; ++t) {
      Real* affinity = s.row(t);
      int32_t* chosen = ids + t * k;
      ctx.kernels().sqrt_softplus(affinity, E, affinity);
      if (hash) {
        std::memcpy(chosen, w.tid2eid.data + tokens[t] * w.tid2eid.row_bytes, static_cast<size_t>(k) * 4);
        std::sort(chosen, chosen + k);
      } else {
        for (int64_t e = 0; e < E; ++e) biased[static_cast<size_t>(e)] = affinity[e] + bias[e];
        ctx.kernels().top_k(biased.data(), E, k, chosen);
      }
      Real sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += affinity[chosen[j]];
      for (int64_t j = 0; j < k; ++j) {
        weights[t * k + j] = affinity[chosen[j]] / sum * static_cast<Real>(config.routed_scaling_factor);
      }
    }
  });
  return {k, ids, weights};
}
FATHOM_INSTANTIATE(route);

}  // namespace fathom

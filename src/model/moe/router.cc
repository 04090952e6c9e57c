#include "model/moe/router.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "model/instantiate.h"

namespace fathom {

template <class Real>
Routes<Real> route(const Context<Real>& ctx, const ModelConfig& config, const MoeParams<WeightView>& w,
                   bool hash, const int32_t* tokens, Mat<const Real> x, RouterSaved<Real>* saved) {
  const int64_t E = config.n_routed_experts, k = config.num_experts_per_tok, rows = x.rows;
  int32_t* ids = ctx.arena().template allocate<int32_t>(rows * k);
  Real* weights = ctx.arena().template allocate<Real>(rows * k);
  const MaybeScope scope(ctx.arena(), saved == nullptr);
  const Mat<Real> z = ctx.scratch(rows, E), s = saved ? ctx.scratch(rows, E) : z;
  ctx.linear_exact(x, w.gate, z);
  if (saved) *saved = {z, s};
  const Real* bias = hash ? nullptr : ctx.values(w.bias);
  const int32_t* given = ctx.training ? ctx.training->chosen_experts : nullptr;
  ctx.parallel_rows(rows, E * 16, [&](int64_t first, int64_t last) {
    std::vector<Real> biased(static_cast<size_t>(E));
    for (int64_t t = first; t < last; ++t) {
      Real* affinity = s.row(t);
      int32_t* chosen = ids + t * k;
      ctx.kernels().sqrt_softplus(z.row(t), E, affinity);
      if (hash) {
        std::memcpy(chosen, w.tid2eid.data + tokens[t] * w.tid2eid.row_bytes, static_cast<size_t>(k) * 4);
        std::sort(chosen, chosen + k);
      } else if (given) {
        std::copy_n(given + t * k, k, chosen);
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

namespace {

// Adds the gradient of `weight` times the balance loss of rows [first, first + count) to ds; returns the
// loss. The rows are a whole sequence, or the part of one whose loads `pass` has.
template <class Real>
double balance_backward(const TrainingPass& pass, const Routes<Real>& routes, Mat<const Real> s,
                        int64_t first, int64_t count, double weight, Mat<Real> ds) {
  const int64_t E = s.cols, k = routes.k;
  std::vector<double> share(static_cast<size_t>(E)), load(share.size());
  if (pass.sequence_load) {
    std::copy(pass.sequence_load->begin(), pass.sequence_load->end(), load.begin());
  } else {
    for (int64_t i = first * k; i < (first + count) * k; ++i) load[static_cast<size_t>(routes.ids[i])] += 1;
  }
  const int64_t tokens = pass.sequence_load ? pass.sequence_tokens : count;
  for (double& f : load) f *= static_cast<double>(E) / static_cast<double>(k * tokens);
  for (int64_t t = first; t < first + count; ++t) {
    double total = 0, dot = 0;
    for (int64_t e = 0; e < E; ++e) {
      const auto affinity = static_cast<double>(s.row(t)[e]);
      total += affinity;
      dot += load[static_cast<size_t>(e)] * affinity;
    }
    const double scale = weight / (static_cast<double>(tokens) * total);
    for (int64_t e = 0; e < E; ++e) {
      share[static_cast<size_t>(e)] += static_cast<double>(s.row(t)[e]) / total;
      ds.row(t)[e] += static_cast<Real>(scale * (load[static_cast<size_t>(e)] - dot / total));
    }
  }
  double loss = 0;
  for (size_t e = 0; e < share.size(); ++e) loss += load[e] * share[e] / static_cast<double>(tokens);
  return loss;
}

}  // namespace

template <class Real>
double route_backward(const Context<Real>& ctx, const ModelConfig& config, const MoeParams<WeightView>& w,
                      Mat<const Real> x, const Routes<Real>& routes, const RouterSaved<Real>& saved,
                      const Real* d_weights, const std::vector<Span>* documents, double balance_weight,
                      Mat<Real> dx, Mat<Real> d_gate) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = x.rows, E = saved.s.cols, k = routes.k;
  const auto factor = static_cast<Real>(config.routed_scaling_factor);
  const Mat<Real> ds = ctx.scratch(rows, E);
  ctx.parallel_rows(rows, E + k * 8, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const int32_t* chosen = routes.ids + t * k;
      const Real* d = d_weights + t * k;
      std::fill_n(ds.row(t), E, Real(0));
      Real sum = 0, dot = 0;
      for (int64_t j = 0; j < k; ++j) {
        sum += saved.s.row(t)[chosen[j]];
        dot += d[j] * saved.s.row(t)[chosen[j]];
      }
      for (int64_t j = 0; j < k; ++j) ds.row(t)[chosen[j]] = factor / sum * (d[j] - dot / sum);
    }
  });
  double balance = 0;
  if (documents) {
    for (const Span& span : *documents) {
      balance += balance_backward<Real>(ctx.training ? *ctx.training : TrainingPass{}, routes, saved.s,
                                        span.first_row, span.count, balance_weight, ds);
    }
  }
  ctx.parallel_rows(rows, E * 16, [&](int64_t first, int64_t last) {
    ctx.kernels().sqrt_softplus_backward(saved.z.row(first), saved.s.row(first), ds.row(first),
                                         (last - first) * E, ds.row(first));
  });
  ctx.linear_exact_backward(ds, x, w.gate, dx, d_gate);
  return balance;
}
FATHOM_INSTANTIATE(route);
FATHOM_INSTANTIATE(route_backward);

}  // namespace fathom

#include "model/moe/kept_experts.h"

#include "model/instantiate.h"
#include "model/product_list.h"

namespace fathom {
namespace {

// Pairs in expert order, and what each of them is.
template <class Real>
struct Pairs {
  const MoeSaved<Real>& saved;
  int64_t k, rows, count;  // of pairs
  const int32_t* place;    // [count] of pair row * k + i in expert order

  Pairs(const Context<Real>& ctx, const MoeSaved<Real>& saved_, int64_t rows_)
      : saved(saved_), k(saved_.routes.k), rows(rows_), count(rows_ * saved_.routes.k) {
    auto* places = ctx.arena().template allocate<int32_t>(count);
    for (int64_t i = 0; i < count; ++i) places[saved.groups.pair[i]] = static_cast<int32_t>(i);
    place = places;
  }

  int64_t first(int64_t e) const { return saved.groups.first[e]; }
  Mat<Real> of(Mat<Real> all, int64_t e) const {
    return all.slice_rows(first(e), saved.groups.first[e + 1] - first(e));
  }
  // Row t of `from` at every pair of t.
  Mat<Real> gather(const Context<Real>& ctx, Mat<const Real> from) const {
    const Mat<Real> out = ctx.scratch(count, from.cols);
    ctx.parallel_rows(count, from.cols, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::copy_n(from.row(saved.groups.pair[i] / k), from.cols, out.row(i));
      }
    });
    return out;
  }
  const Real* weights(const Context<Real>& ctx) const {
    auto* out = ctx.arena().template allocate<Real>(count);
    for (int64_t i = 0; i < count; ++i) out[i] = saved.routes.weights[saved.groups.pair[i]];
    return out;
  }
  // to.row(t) += the pairs of t, experts ascending as its ids are, then the shared expert's row.
  void add(const Context<Real>& ctx, Mat<const Real> pairs, Mat<const Real> shared, Mat<Real> to) const {
    ctx.parallel_rows(rows, (k + 1) * to.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        Real* sum = to.row(t);
        for (int64_t j = 0; j <= k; ++j) {
          const Real* value = j < k ? pairs.row(place[t * k + j]) : shared.row(t);
          for (int64_t c = 0; c < to.cols; ++c) sum[c] += value[c];
        }
      }
    });
  }
};

}  // namespace

template <class Real>
void kept_experts_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                          const MoeParams<WeightView>& w, Mat<const Real> x, Mat<Real> y,
                          MoeSaved<Real>& saved) {
  const int64_t rows = x.rows, D = x.cols, inter = config.moe_intermediate_size;
  const auto limit = static_cast<Real>(config.swiglu_limit);
  saved.experts = {ctx.scratch(rows * saved.routes.k, inter), ctx.scratch(rows * saved.routes.k, inter)};
  saved.shared = {ctx.scratch(rows, inter), ctx.scratch(rows, inter)};
  const ArenaScope scope(ctx.arena());
  const Pairs<Real> pairs(ctx, saved, rows);
  const Mat<Real> in = pairs.gather(ctx, x);
  const Mat<Real> act = ctx.scratch(pairs.count, inter), out = ctx.scratch(pairs.count, D);
  const Mat<Real> shared_act = ctx.scratch(rows, inter), shared_out = ctx.scratch(rows, D);
  std::vector<ExpertLease> experts;
  for (int64_t e = 0; e < config.n_routed_experts; ++e) experts.push_back(weights.acquire(w, e));

  ProductList<Real> products(ctx);
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    const ExpertParams<WeightView>& expert = experts[static_cast<size_t>(e)].weights;
    products.forward(pairs.of(in, e), expert.w1, pairs.of(saved.experts.gate, e));
    products.forward(pairs.of(in, e), expert.w3, pairs.of(saved.experts.up, e));
  }
  products.forward(x, w.shared.w1, saved.shared.gate);
  products.forward(x, w.shared.w3, saved.shared.up);
  products.run();
  ctx.swiglu(saved.experts.gate, saved.experts.up, pairs.weights(ctx), limit, act);
  ctx.swiglu(saved.shared.gate, saved.shared.up, nullptr, limit, shared_act);
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    products.forward(pairs.of(act, e), experts[static_cast<size_t>(e)].weights.w2, pairs.of(out, e));
  }
  products.forward(shared_act, w.shared.w2, shared_out);
  products.run();
  ctx.parallel_rows(rows, D, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) std::fill_n(y.row(t), D, Real(0));
  });
  pairs.add(ctx, out, shared_out, y);
}

template <class Real>
void kept_experts_backward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                           const MoeParams<WeightView>& w, Mat<const Real> x, const MoeSaved<Real>& saved,
                           Mat<const Real> dy, Mat<Real> dx, Real* d_weights,
                           const MoeParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = x.rows, D = x.cols, inter = config.moe_intermediate_size;
  const auto limit = static_cast<Real>(config.swiglu_limit);
  const Pairs<Real> pairs(ctx, saved, rows);
  const Mat<Real> in = pairs.gather(ctx, x), d_out = pairs.gather(ctx, dy);
  std::vector<ExpertLease> experts;
  for (int64_t e = 0; e < config.n_routed_experts; ++e) experts.push_back(weights.acquire(w, e));
  // Rows of all pairs, and of the shared expert.
  struct Hidden {
    Mat<Real> act, d_act, d_gate, d_up, d_in;
    Hidden(const Context<Real>& c, int64_t count, int64_t width, int64_t dim)
        : act(c.scratch(count, width)),
          d_act(c.scratch(count, width)),
          d_gate(c.scratch(count, width)),
          d_up(c.scratch(count, width)),
          d_in(c.scratch(count, dim)) {}
  };
  const Hidden routed(ctx, pairs.count, inter, D), shared(ctx, rows, inter, D);

  ProductList<Real> products(ctx);
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    products.dx(pairs.of(d_out, e), experts[static_cast<size_t>(e)].weights.w2, pairs.of(routed.d_act, e),
                Sum::set);
  }
  products.dx(dy, w.shared.w2, shared.d_act, Sum::set);
  products.run();

  auto* d_route = ctx.arena().template allocate<Real>(pairs.count);
  ctx.swiglu_backward(saved.experts.gate, saved.experts.up, pairs.weights(ctx), limit, routed.d_act,
                      routed.act, routed.d_gate, routed.d_up, d_route);
  ctx.swiglu_backward(saved.shared.gate, saved.shared.up, nullptr, limit, shared.d_act, shared.act,
                      shared.d_gate, shared.d_up, nullptr);
  for (int64_t i = 0; i < pairs.count; ++i) d_weights[saved.groups.pair[i]] = d_route[i];

  const auto rest = [&](const ExpertParams<WeightView>& expert, const ExpertParams<Mat<Real>>& d,
                        Mat<const Real> expert_in, Mat<const Real> expert_d_out, const auto& of) {
    products.dw(expert_d_out, of(&Hidden::act), expert.w2, d.w2);
    products.dx(of(&Hidden::d_gate), expert.w1, of(&Hidden::d_in), Sum::set);
    products.also_dx(of(&Hidden::d_up), expert.w3);
    products.dw(of(&Hidden::d_gate), expert_in, expert.w1, d.w1);
    products.dw(of(&Hidden::d_up), expert_in, expert.w3, d.w3);
  };
  for (int64_t e = 0; e < config.n_routed_experts; ++e) {
    rest(experts[static_cast<size_t>(e)].weights, grad.experts[static_cast<size_t>(e)], pairs.of(in, e),
         pairs.of(d_out, e), [&](auto member) { return pairs.of(routed.*member, e); });
  }
  rest(w.shared, grad.shared, x, dy, [&](auto member) { return shared.*member; });
  products.run();
  pairs.add(ctx, routed.d_in, shared.d_in, dx);
}
FATHOM_INSTANTIATE(kept_experts_forward);
FATHOM_INSTANTIATE(kept_experts_backward);

}  // namespace fathom

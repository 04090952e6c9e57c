#include "model/training/adapter_gradients.h"

#include <algorithm>

namespace fathom {
namespace {

// sum += scale * part, element by element.
template <class Real>
void add_scaled(const Context<Real>& ctx, Real scale, Mat<const Real> part, Mat<Real> sum) {
  ctx.parallel_rows(part.rows, part.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = 0; j < part.cols; ++j) sum.row(i)[j] += scale * part.row(i)[j];
    }
  });
}

}  // namespace

template <class Real>
std::string AdapterGradients<Real>::prefix(int64_t layer) const {
  const int64_t draft = layer - config_.num_hidden_layers;
  return draft < 0 ? fmt::format("layers.{}.", layer) : fmt::format("mtp.{}.", draft);
}

template <class Real>
BlockParams<Mat<Real>> AdapterGradients<Real>::begin(const Context<Real>& ctx, int64_t layer) {
  BlockParams<Mat<Real>> gradients;
  for_each_block_param(
      config_, layer, prefix(layer),
      [&](const std::string& name, ParamClass, int64_t rows, int64_t cols, Mat<Real>& view) {
        if (!matrices_.contains(name)) return;
        view = ctx.scratch(rows, cols);
        ctx.parallel_rows(rows, cols, [&](int64_t begin, int64_t end) {
          std::fill(view.row(begin), view.row(begin) + (end - begin) * cols, Real(0));
        });
      },
      gradients);
  return gradients;
}

template <class Real>
void AdapterGradients<Real>::end(const Context<Real>& ctx, int64_t layer,
                                 const BlockParams<Mat<Real>>& gradients) {
  BlockParams<Mat<Real>> views = gradients;
  for_each_block_param(
      config_, layer, prefix(layer),
      [&](const std::string& name, ParamClass, int64_t rows, int64_t cols, Mat<Real>& d) {
        const auto found = matrices_.find(name);
        if (found == matrices_.end()) return;
        const AdaptedMatrix<Real>& m = found->second;
        const ArenaScope scope(ctx.arena());
        const int64_t rank = m.a.rows;
        const Mat<Real> d_b = ctx.scratch(rows, rank), d_a = ctx.scratch(rank, cols);
        ctx.linear_exact(d, weight_view(m.a.data, rank, cols), d_b);
        add_scaled<Real>(ctx, scale_, d_b, m.d_b);
        std::fill_n(d_a.data, rank * cols, Real(0));
        ctx.linear_exact_backward(m.b, d, weight_view(m.a.data, rank, cols), {}, d_a);
        add_scaled<Real>(ctx, scale_, d_a, m.d_a);
      },
      views);
}

template class AdapterGradients<float>;
template class AdapterGradients<double>;

}  // namespace fathom

#include "model/product_list.h"

#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "model/instantiate.h"

namespace fathom {

template <class Real>
size_t ProductList<Real>::input(Mat<const Real> x, const WeightView& w, Use use) {
  const bool quantised =
      ctx_.numerics().quantise_activations && (w.dtype == DType::F8_E4M3 || w.dtype == DType::F4_E2M1);
  Input in{.x = x,
           .quantise = quantised && use != Use::sum_rows_of_gradient,
           .along_tokens = quantised && use != Use::sum_columns,
           .round = false,
           .values = x,
           .bf16 = {}};
  if constexpr (std::is_same_v<Real, float>) {
    in.round = ctx_.numerics().bf16_matmul && w.dtype != DType::F32;
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Input& each = inputs_[i];
    if (each.x.data == x.data && each.x.rows == x.rows && each.x.cols == x.cols &&
        each.x.stride == x.stride && each.quantise == in.quantise && each.along_tokens == in.along_tokens &&
        each.round == in.round) {
      return i;
    }
  }
  in.ready = !in.quantise && !in.along_tokens && !in.round;
  inputs_.push_back(in);
  return inputs_.size() - 1;
}

template <class Real>
void ProductList<Real>::forward(Mat<const Real> x, const WeightView& w, Mat<Real> y) {
  FATHOM_CHECK(x.cols == w.cols && y.cols == w.rows && x.rows == y.rows);
  const size_t a = input(x, w, Use::sum_columns);
  jobs_.push_back({Kind::forward, a, a, w, y, false, x.rows * w.rows * w.cols});
}
template <class Real>
void ProductList<Real>::dx(Mat<const Real> dy, const WeightView& w, Mat<Real> dx, Sum sum) {
  FATHOM_CHECK(dy.cols == w.rows && dx.cols == w.cols && dx.rows == dy.rows);
  const size_t a = input(dy, w, Use::sum_columns);
  jobs_.push_back({Kind::dx, a, a, w, dx, sum == Sum::add, dy.rows * w.rows * w.cols});
}
template <class Real>
void ProductList<Real>::also_dx(Mat<const Real> dy, const WeightView& w) {
  FATHOM_CHECK(!jobs_.empty() && (jobs_.back().kind == Kind::dx || jobs_.back().kind == Kind::also_dx));
  const Mat<Real> out = jobs_.back().out;
  dx(dy, w, out, Sum::add);
  jobs_.back().kind = Kind::also_dx;
}
template <class Real>
void ProductList<Real>::dw(Mat<const Real> dy, Mat<const Real> x, const WeightView& w, Mat<Real> dw) {
  if (!dw.data) return;
  FATHOM_CHECK(dy.cols == w.rows && x.cols == w.cols && x.rows == dy.rows);
  FATHOM_CHECK(dw.rows == w.rows && dw.cols == w.cols);
  const size_t a = input(dy, w, Use::sum_rows_of_gradient), b = input(x, w, Use::sum_rows);
  jobs_.push_back({Kind::dw, a, b, w, dw, true, dy.rows * w.rows * w.cols});
}

template <class Real>
void ProductList<Real>::prepare_inputs() {
  constexpr int64_t kRows = 128;  // a tile along tokens
  struct Block {
    size_t input;
    int64_t first, last;
  };
  std::vector<Block> blocks;
  std::vector<Mat<Real>> quantised(inputs_.size());
  std::vector<Mat<Bf16>> rounded(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Input& in = inputs_[i];
    if (in.ready) continue;
    in.ready = true;
    const Mat<const Real> x = in.x;
    if (in.quantise || in.along_tokens) in.values = quantised[i] = ctx_.scratch(x.rows, x.cols);
    if (in.round) {
      rounded[i] = {ctx_.arena().template allocate<Bf16>(x.rows * x.cols), x.rows, x.cols};
      in.bf16 = rounded[i];
    }
    for (int64_t t = 0; t < x.rows; t += kRows) blocks.push_back({i, t, std::min(x.rows, t + kRows)});
  }
  ctx_.parallel_for(std::ssize(blocks), 1, [&](int64_t begin, int64_t end) {
    for (auto b = static_cast<size_t>(begin); b < static_cast<size_t>(end); ++b) {
      const Block& block = blocks[b];
      const Input& in = inputs_[block.input];
      if (in.quantise || in.along_tokens) {
        const Mat<Real> q = quantised[block.input].slice_rows(block.first, block.last - block.first);
        for (int64_t t = 0; t < q.rows; ++t) std::copy_n(in.x.row(block.first + t), q.cols, q.row(t));
        if (in.quantise) ctx_.quantise_input(q);
        if (in.along_tokens) ctx_.quantise_along_tokens(q);
      }
      if constexpr (std::is_same_v<Real, float>) {
        if (!in.round) continue;
        for (int64_t t = block.first; t < block.last; ++t) {
          ctx_.kernels().to_bf16(in.values.row(t), in.x.cols, rounded[block.input].row(t));
        }
      }
    }
  });
}

template <class Real>
void ProductList<Real>::run_job(const Job& job, int64_t first, int64_t last) const {
  const Kernels<Real>& kernels = ctx_.kernels();
  const Input &a = inputs_[job.a], &b = inputs_[job.b];
  const int64_t rows = last - first;
  if constexpr (std::is_same_v<Real, float>) {
    if (a.round) {
      if (job.kind == Kind::forward) {
        kernels.linear_bf16(a.bf16.row(first), rows, a.bf16.stride, job.w, 0, job.w.rows, job.out.row(first),
                            job.out.stride);
      } else if (job.kind == Kind::dw) {
        kernels.linear_dw_bf16(a.bf16.data + first, a.bf16.stride, b.bf16.data, b.bf16.stride, b.bf16.rows,
                               rows, job.w.cols, job.out.row(first), job.out.stride);
      } else {
        kernels.linear_dx_bf16(a.bf16.row(first), rows, a.bf16.stride, job.w, 0, job.w.cols,
                               job.out.row(first), job.out.stride, job.add);
      }
      return;
    }
  }
  if (job.kind == Kind::forward) {
    kernels.linear(a.values.row(first), rows, a.values.stride, job.w, 0, job.w.rows, job.out.row(first),
                   job.out.stride);
  } else if (job.kind == Kind::dw) {
    kernels.linear_dw(a.values.data + first, a.values.stride, b.values.data, b.values.stride, b.values.rows,
                      rows, job.w.cols, job.out.row(first), job.out.stride);
  } else {
    kernels.linear_dx(a.values.row(first), rows, a.values.stride, job.w, 0, job.w.cols, job.out.row(first),
                      job.out.stride, job.add);
  }
}

template <class Real>
void ProductList<Real>::run() {
  // A piece repacks a weight or an input, so it must be worth that; and there are enough for an even end.
  constexpr int64_t kLeast = int64_t{1} << 22, kTile = 12, kRows = 96;
  int64_t total = 0;
  for (const Job& job : jobs_) total += job.work;
  const StepTimer timer(products_of(ctx_.times, total));
  prepare_inputs();
  const int64_t most = std::max(kLeast, total / (8 * ctx_.threads()));
  std::vector<Piece> pieces;
  for (size_t i = 0; i < jobs_.size(); ++i) {
    const Job& job = jobs_[i];
    if (job.kind == Kind::also_dx || job.work == 0) continue;
    const int64_t size = job.kind == Kind::dw ? job.w.rows : job.out.rows;
    const int64_t least = job.kind == Kind::dw ? 4 * kTile : kRows, parts = (job.work + most - 1) / most;
    const int64_t step = std::max(least, (size + parts - 1) / parts);
    const int64_t whole = (step + kTile - 1) / kTile * kTile;
    for (int64_t at = 0; at < size; at += whole) {
      const int64_t end = std::min(size, at + whole);
      pieces.push_back({i, at, end, job.work / size * (end - at)});
    }
  }
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.work > b.work; });
  ctx_.parallel_for(std::ssize(pieces), 1, [&](int64_t begin, int64_t end) {
    for (auto p = static_cast<size_t>(begin); p < static_cast<size_t>(end); ++p) {
      const Piece& piece = pieces[p];
      run_job(jobs_[piece.job], piece.first, piece.last);
      for (size_t next = piece.job + 1; next < jobs_.size() && jobs_[next].kind == Kind::also_dx; ++next) {
        run_job(jobs_[next], piece.first, piece.last);
      }
    }
  });
  jobs_.clear();
}

FATHOM_INSTANTIATE_CLASS(ProductList);

}  // namespace fathom

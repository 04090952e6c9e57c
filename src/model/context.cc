#include "model/context.h"

#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "formats/decode.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// Outputs of a linear are handed to threads in pieces of at least this many, whole register tiles.
constexpr int64_t kOutputGrain = 24;

constexpr int64_t kTokenTile = 128;  // of FP8 tiles along tokens

}  // namespace

template <class Real>
const Real* Context<Real>::values(const WeightView& w) const {
  if constexpr (std::is_same_v<Real, float>) {
    FATHOM_DCHECK(w.dtype == DType::F32);
    return reinterpret_cast<const float*>(w.data);
  } else {
    Real* out = arena_.allocate<Real>(w.rows * w.cols);
    for (int64_t i = 0; i < w.rows; ++i) decode_row(w, i, out + i * w.cols);
    return out;
  }
}

template <class Real>
void Context<Real>::linear_exact(Mat<const Real> x, const WeightView& w, Mat<Real> y) const {
  FATHOM_CHECK(x.cols == w.cols && y.cols == w.rows && x.rows == y.rows);
  if (x.rows == 0) return;
  const StepTimer timer(products_of(times, x.rows * w.rows * w.cols, true));
  const int64_t grain = std::max(kOutputGrain, grain_for(x.rows * w.cols) / kOutputGrain * kOutputGrain);
  parallel_for(w.rows, grain, [&](int64_t first, int64_t last) {
    kernels_.linear(x.data, x.rows, x.stride, w, first, last, y.data, y.stride);
  });
}

template <class Real>
Mat<const Real> Context<Real>::quantised_input(Mat<const Real> x, const WeightView& w) const {
  const bool quantised = w.dtype == DType::F8_E4M3 || w.dtype == DType::F4_E2M1;
  if (!numerics_.quantise_activations || !quantised) return x;
  const Mat<Real> q = scratch(x.rows, x.cols);
  parallel_rows(x.rows, x.cols * 4, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) std::copy_n(x.row(t), x.cols, q.row(t));
    quantise_input(q.slice_rows(first, last - first));
  });
  return q;
}

template <class Real>
void Context<Real>::quantise_along_tokens(Mat<Real> x) const {
  constexpr int64_t kColumns = 32;
  FATHOM_CHECK(x.rows <= kTokenTile);
  Real turned[kColumns * kTokenTile];
  for (int64_t col = 0; col < x.cols; col += kColumns) {
    const int64_t cols = std::min(kColumns, x.cols - col);
    for (int64_t t = 0; t < x.rows; ++t) {
      for (int64_t c = 0; c < cols; ++c) turned[c * kTokenTile + t] = x.row(t)[col + c];
    }
    kernels_.quantise_fp8(turned, cols, kTokenTile, x.rows, kTokenTile, ue8m0_);
    for (int64_t t = 0; t < x.rows; ++t) {
      for (int64_t c = 0; c < cols; ++c) x.row(t)[col + c] = turned[c * kTokenTile + t];
    }
  }
}

template <class Real>
Mat<const Real> Context<Real>::token_tiles(Mat<const Real> x) const {
  const Mat<Real> q = scratch(x.rows, x.cols);
  parallel_for((x.rows + kTokenTile - 1) / kTokenTile, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * kTokenTile, last = std::min(x.rows, first + kTokenTile);
      for (int64_t t = first; t < last; ++t) std::copy_n(x.row(t), x.cols, q.row(t));
      quantise_along_tokens(q.slice_rows(first, last - first));
    }
  });
  return q;
}

template <class Real>
Mat<const Bf16> Context<Real>::rounded(Mat<const Real> x) const
  requires std::is_same_v<Real, float>
{
  const Mat<Bf16> out{arena_.allocate<Bf16>(x.rows * x.cols), x.rows, x.cols};
  parallel_rows(x.rows, x.cols, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) kernels_.to_bf16(x.row(t), x.cols, out.row(t));
  });
  return out;
}

template <class Real>
template <class F>
void Context<Real>::products(int64_t rows, int64_t cols, int64_t work, const F& f) const {
  // Whole register tiles and panels; the shorter side stays whole, as it is what is packed again for each
  // piece.
  constexpr int64_t kRows = 96, kCols = 128;
  const int64_t pieces = 3 * threads();
  if (rows >= cols) {
    const int64_t enough = grain_for(work / std::max<int64_t>(1, rows) * cols);
    const int64_t grain = std::max({kRows, enough / 12 * 12, rows / pieces / 12 * 12});
    parallel_for(rows, grain, [&](int64_t first, int64_t last) { f(first, last - first, 0, cols); });
  } else {
    const int64_t grain = std::max({kCols, grain_for(work) / 32 * 32, cols / pieces / 32 * 32});
    parallel_for(cols, grain, [&](int64_t first, int64_t last) { f(0, rows, first, last); });
  }
}

template <class Real>
void Context<Real>::linear_latent(Mat<const Real> x, const WeightView& w, Mat<Real> y) const {
  if (numerics_.bf16_latents) return linear(x, w, y);
  const ArenaScope scope(arena_);
  linear_exact(quantised_input(x, w), w, y);
}

template <class Real>
void Context<Real>::linear(Mat<const Real> x, const WeightView& w, Mat<Real> y, bool quantise) const {
  const ArenaScope scope(arena_);
  if (quantise) x = quantised_input(x, w);
  if constexpr (std::is_same_v<Real, float>) {
    if (numerics_.bf16_matmul && w.dtype != DType::F32) {
      FATHOM_CHECK(x.cols == w.cols && y.cols == w.rows && x.rows == y.rows);
      const StepTimer timer(products_of(times, x.rows * w.rows * w.cols));
      const Mat<const Bf16> x16 = rounded(x);
      const int64_t grain = std::max(kOutputGrain, grain_for(x.rows * w.cols) / kOutputGrain * kOutputGrain);
      parallel_for(w.rows, grain, [&](int64_t first, int64_t last) {
        kernels_.linear_bf16(x16.data, x.rows, x16.stride, w, first, last, y.data, y.stride);
      });
      return;
    }
  }
  linear_exact(x, w, y);
}

template <class Real>
void Context<Real>::linear_exact_backward(Mat<const Real> dy, Mat<const Real> x, const WeightView& w,
                                          Mat<Real> dx, Mat<Real> dw, Sum dx_sum) const {
  FATHOM_CHECK(dy.cols == w.rows && x.cols == w.cols && x.rows == dy.rows);
  const int64_t work = dy.rows * w.rows * w.cols;
  const StepTimer timer(products_of(times, (dx.data ? work : 0) + (dw.data ? work : 0), true));
  if (dx.data) {
    FATHOM_CHECK(dx.rows == dy.rows && dx.cols == w.cols);
    products(dy.rows, w.cols, dy.rows * w.rows, [&](int64_t t, int64_t rows, int64_t first, int64_t last) {
      kernels_.linear_dx(dy.row(t), rows, dy.stride, w, first, last, dx.row(t), dx.stride,
                         dx_sum == Sum::add);
    });
  }
  if (dw.data) {
    FATHOM_CHECK(dw.rows == w.rows && dw.cols == w.cols);
    products(w.rows, w.cols, dy.rows * w.rows, [&](int64_t o, int64_t outputs, int64_t first, int64_t last) {
      kernels_.linear_dw(dy.data + o, dy.stride, x.data + first, x.stride, x.rows, outputs, last - first,
                         dw.row(o) + first, dw.stride);
    });
  }
}

template <class Real>
void Context<Real>::linear_latent_backward(Mat<const Real> dy, Mat<const Real> x, const WeightView& w,
                                           Mat<Real> dx, Mat<Real> dw, Sum dx_sum) const {
  if (numerics_.bf16_latents) return linear_backward(dy, x, w, dx, dw, dx_sum);
  const ArenaScope scope(arena_);
  const Mat<const Real> dy8 = quantised_input(dy, w), x8 = quantised_input(x, w);
  if (dy8.data == dy.data) return linear_exact_backward(dy, x, w, dx, dw, dx_sum);
  linear_exact_backward(dy8, x8, w, dx, {}, dx_sum);
  if (!dw.data) return;
  linear_exact_backward(token_tiles(dy), token_tiles(x8), w, {}, dw, dx_sum);
}

template <class Real>
void Context<Real>::linear_backward(Mat<const Real> dy, Mat<const Real> x, const WeightView& w, Mat<Real> dx,
                                    Mat<Real> dw, Sum dx_sum, bool quantise) const {
  const ArenaScope scope(arena_);
  if (quantise) {
    const Mat<const Real> dy8 = quantised_input(dy, w);
    if (dy8.data != dy.data) {  // FP8: dx of tiles along outputs, dW of tiles along tokens
      if (dx.data) linear_backward(dy8, x, w, dx, {}, dx_sum, false);
      if (!dw.data) return;
      x = token_tiles(quantised_input(x, w));
      dy = token_tiles(dy);
      dx = {};
    }
  }
  if constexpr (std::is_same_v<Real, float>) {
    if (numerics_.bf16_matmul && w.dtype != DType::F32) {
      FATHOM_CHECK(dy.cols == w.rows && x.cols == w.cols && x.rows == dy.rows);
      const int64_t work = dy.rows * w.rows * w.cols;
      const StepTimer timer(products_of(times, (dx.data ? work : 0) + (dw.data ? work : 0)));
      const Mat<const Bf16> dy16 = rounded(dy);
      if (dx.data) {
        products(dy.rows, w.cols, dy.rows * w.rows,
                 [&](int64_t t, int64_t rows, int64_t first, int64_t last) {
                   kernels_.linear_dx_bf16(dy16.row(t), rows, dy16.stride, w, first, last, dx.row(t),
                                           dx.stride, dx_sum == Sum::add);
                 });
      }
      if (dw.data) {
        const Mat<const Bf16> x16 = rounded(x);
        products(w.rows, w.cols, dy.rows * w.rows,
                 [&](int64_t o, int64_t outputs, int64_t first, int64_t last) {
                   kernels_.linear_dw_bf16(dy16.data + o, dy16.stride, x16.data + first, x16.stride, x.rows,
                                           outputs, last - first, dw.row(o) + first, dw.stride);
                 });
      }
      return;
    }
  }
  linear_exact_backward(dy, x, w, dx, dw, dx_sum);
}

template <class Real>
void Context<Real>::rms_norm(const Real* x, const Real* weight, Real eps, int64_t rows, int64_t dim, Real* y,
                             Real* inv_rms) const {
  parallel_rows(rows, dim * 4, [&](int64_t first, int64_t last) {
    kernels_.rms_norm(x + first * dim, weight, eps, last - first, dim, y ? y + first * dim : nullptr,
                      inv_rms ? inv_rms + first : nullptr);
  });
}

template <class Real>
void Context<Real>::rms_norm_backward(const Real* x, const Real* weight, const Real* inv_rms, const Real* dy,
                                      int64_t rows, int64_t dim, Real* dx, Real* dweight, Sum dx_sum) const {
  const auto part = [&](int64_t first, int64_t last, Real* partial) {
    const int64_t at = first * dim;
    kernels_.rms_norm_backward(x + at, weight, inv_rms + first, dy + at, last - first, dim, dx + at, partial,
                               dx_sum == Sum::add);
  };
  if (dweight) return sum_row_blocks(rows, dim, dweight, part);
  parallel_rows(rows, dim * 6, [&](int64_t first, int64_t last) { part(first, last, nullptr); });
}

template <class Real>
void Context<Real>::rope(Real* x, int64_t rows, int64_t row_stride, int64_t heads, int64_t head_stride,
                         int64_t pairs, const Real* cos, const Real* sin, bool inverse) const {
  parallel_rows(rows, heads * pairs * 6, [&](int64_t first, int64_t last) {
    kernels_.rope(x + first * row_stride, last - first, row_stride, heads, head_stride, pairs,
                  cos + first * pairs, sin + first * pairs, inverse);
  });
}

template <class Real>
void Context<Real>::quantise_fp8(Real* x, int64_t rows, int64_t stride, int64_t dim, int64_t block) const {
  parallel_rows(rows, dim * 4, [&](int64_t first, int64_t last) {
    kernels_.quantise_fp8(x + first * stride, last - first, stride, dim, block, true);
  });
}

template <class Real>
void Context<Real>::hadamard_fp4(Real* x, int64_t rows, int64_t stride, int64_t dim) const {
  parallel_rows(rows, dim * 12, [&](int64_t first, int64_t last) {
    kernels_.hadamard_fp4(x + first * stride, last - first, stride, dim);
  });
}

template <class Real>
void Context<Real>::swiglu(Mat<const Real> gate, Mat<const Real> up, const Real* route, Real limit,
                           Mat<Real> act) const {
  parallel_rows(gate.rows, gate.cols * 16, [&](int64_t first, int64_t last) {
    kernels_.swiglu(gate.row(first), up.row(first), route ? route + first : nullptr, limit, last - first,
                    gate.cols, act.row(first));
  });
}

template <class Real>
void Context<Real>::swiglu_backward(Mat<const Real> gate, Mat<const Real> up, const Real* route, Real limit,
                                    Mat<const Real> d_act, Mat<Real> act, Mat<Real> d_gate, Mat<Real> d_up,
                                    Real* d_route) const {
  parallel_rows(gate.rows, gate.cols * 24, [&](int64_t first, int64_t last) {
    kernels_.swiglu_backward(gate.row(first), up.row(first), route ? route + first : nullptr, limit,
                             d_act.row(first), last - first, gate.cols, act.row(first), d_gate.row(first),
                             d_up.row(first), d_route ? d_route + first : nullptr);
  });
}

FATHOM_INSTANTIATE_CLASS(Context);

}  // namespace fathom

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
    kernels_.quantise_fp8(q.row(first), last - first, q.stride, q.cols, 128, ue8m0_);
  });
  return q;
}

template <class Real>
void Context<Real>::linear_latent(Mat<const Real> x, const WeightView& w, Mat<Real> y) const {
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
      Bf16* rounded = arena_.allocate<Bf16>(x.rows * x.cols);
      parallel_rows(x.rows, x.cols, [&](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t) kernels_.to_bf16(x.row(t), x.cols, rounded + t * x.cols);
      });
      const int64_t grain = std::max(kOutputGrain, grain_for(x.rows * w.cols) / kOutputGrain * kOutputGrain);
      parallel_for(w.rows, grain, [&](int64_t first, int64_t last) {
        kernels_.linear_bf16(rounded, x.rows, x.cols, w, first, last, y.data, y.stride);
      });
      return;
    }
  }
  linear_exact(x, w, y);
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

FATHOM_INSTANTIATE_CLASS(Context);

}  // namespace fathom

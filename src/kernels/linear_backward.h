#pragma once
/// The two products of linear's backward pass: dx = dy W and dW = dy^T x. Source: architecture.md section 13.

#include <algorithm>
#include <vector>

#include "base/tensor.h"
#include "formats/decode.h"
#include "formats/half.h"
#include "kernels/target.h"

namespace fathom {

/// dx[t][k] = sum_o dy[t][o] w[o][k], or += if `add`, for t in [0, rows), k in [first, last).
///
/// @param dy [rows, w.rows], rows dy_stride apart
/// @param w  any dtype a WeightView may have
/// @param dx [rows, w.cols], rows dx_stride apart
/// Order: o ascending within blocks of 512, the blocks in order: the same bits for any rows and any
/// [first, last). It may differ between targets.
template <class Real>
using LinearDx = void(const Real* dy, int64_t rows, int64_t dy_stride, const WeightView& w, int64_t first,
                      int64_t last, Real* dx, int64_t dx_stride, bool add);

/// dw[o][k] += sum_t dy[t][o] x[t][k] for o in [0, outputs), k in [0, cols).
///
/// @param dy [rows, outputs], x [rows, cols], dw [outputs, cols]
/// Order: t ascending within blocks of 512, the blocks in order: any part of the outputs or columns has the
/// same bits alone. It may differ between targets.
template <class Real>
using LinearDw = void(const Real* dy, int64_t dy_stride, const Real* x, int64_t x_stride, int64_t rows,
                      int64_t outputs, int64_t cols, Real* dw, int64_t dw_stride);

/// The same of bf16 values (weights rounded to bf16 where they are not exact), with fp32 sums.
using LinearDxBf16 = void(const Bf16* dy, int64_t rows, int64_t dy_stride, const WeightView& w, int64_t first,
                          int64_t last, float* dx, int64_t dx_stride, bool add);
using LinearDwBf16 = void(const Bf16* dy, int64_t dy_stride, const Bf16* x, int64_t x_stride, int64_t rows,
                          int64_t outputs, int64_t cols, float* dw, int64_t dw_stride);

template <class Real>
void linear_dx_reference(const Real* dy, int64_t rows, int64_t dy_stride, const WeightView& w, int64_t first,
                         int64_t last, Real* dx, int64_t dx_stride, bool add) {
  std::vector<Real> decoded(static_cast<size_t>(w.cols));
  for (int64_t t = 0; t < rows && !add; ++t)
    std::fill(dx + t * dx_stride + first, dx + t * dx_stride + last, Real(0));
  for (int64_t o = 0; o < w.rows; ++o) {
    decode_row(w, o, decoded.data());
    for (int64_t t = 0; t < rows; ++t) {
      const Real factor = dy[t * dy_stride + o];
      for (int64_t k = first; k < last; ++k)
        dx[t * dx_stride + k] += factor * decoded[static_cast<size_t>(k)];
    }
  }
}

template <class Real>
void linear_dw_reference(const Real* dy, int64_t dy_stride, const Real* x, int64_t x_stride, int64_t rows,
                         int64_t outputs, int64_t cols, Real* dw, int64_t dw_stride) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t o = 0; o < outputs; ++o) {
      const Real factor = dy[t * dy_stride + o];
      for (int64_t k = 0; k < cols; ++k) dw[o * dw_stride + k] += factor * x[t * x_stride + k];
    }
  }
}

void linear_dx_bf16_reference(const Bf16* dy, int64_t rows, int64_t dy_stride, const WeightView& w,
                              int64_t first, int64_t last, float* dx, int64_t dx_stride, bool add);
void linear_dw_bf16_reference(const Bf16* dy, int64_t dy_stride, const Bf16* x, int64_t x_stride,
                              int64_t rows, int64_t outputs, int64_t cols, float* dw, int64_t dw_stride);

/// The bodies for a target.
LinearDx<float>* linear_dx_for(Target target);
LinearDw<float>* linear_dw_for(Target target);
LinearDxBf16* linear_dx_bf16_for(Target target);
LinearDwBf16* linear_dw_bf16_for(Target target);

}  // namespace fathom

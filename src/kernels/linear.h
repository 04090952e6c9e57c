#pragma once
/// y = x W^T for any number of rows and any stored weight format: the kernel that decode, prefill and
/// training share.

#include <vector>

#include "base/tensor.h"
#include "formats/decode.h"
#include "formats/half.h"
#include "kernels/target.h"

namespace fathom {

/// y[t][o] = sum_k x[t][k] * w[o][k] for t in [0, rows), o in [first, last); other columns of y stay
/// untouched.
///
/// @param x [rows, w.cols], rows x_stride apart
/// @param w any dtype a WeightView may have; decoded exactly to fp32
/// @param y [rows, w.rows], rows y_stride apart
/// Order: an output element has one order of additions, fixed by (w.cols, format, target): the same bits for
/// any rows, any [first, last), any position in the batch. The order may differ between targets.
template <class Real>
using Linear = void(const Real* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                    int64_t last, Real* y, int64_t y_stride);

/// The same with bf16 activations against weights decoded to bf16 (one rounding where the value is not
/// exact), products exact, fp32 sums.
using LinearBf16 = void(const Bf16* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                        int64_t last, float* y, int64_t y_stride);

template <class Real>
void linear_reference(const Real* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                      int64_t last, Real* y, int64_t y_stride) {
  std::vector<Real> decoded(static_cast<size_t>(w.cols));
  for (int64_t o = first; o < last; ++o) {
    decode_row(w, o, decoded.data());
    for (int64_t t = 0; t < rows; ++t) {
      Real sum = 0;
      for (int64_t k = 0; k < w.cols; ++k) sum += x[t * x_stride + k] * decoded[static_cast<size_t>(k)];
      y[t * y_stride + o] = sum;
    }
  }
}

void linear_bf16_reference(const Bf16* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                           int64_t last, float* y, int64_t y_stride);

/// The bodies for a target.
Linear<float>* linear_for(Target target);
LinearBf16* linear_bf16_for(Target target);

}  // namespace fathom

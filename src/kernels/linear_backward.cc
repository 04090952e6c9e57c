#include "kernels/linear_backward.h"

#include <type_traits>
#include <utility>

#include "formats/ggml_blocks.h"
#include "formats/ue8m0.h"
#include "kernels/linear_format.h"
#include "kernels/linear_tables.h"

#define FATHOM_KERNEL "kernels/linear_backward.simd.h"
#define FATHOM_KERNEL_HAS_BF16
#include "kernels/foreach_target.h"

namespace fathom {

void linear_dx_bf16_reference(const Bf16* dy, int64_t rows, int64_t dy_stride, const WeightView& w,
                              int64_t first, int64_t last, float* dx, int64_t dx_stride, bool add) {
  std::vector<double> sums(static_cast<size_t>(rows * w.cols));
  std::vector<float> decoded(static_cast<size_t>(w.cols));
  for (int64_t o = 0; o < w.rows; ++o) {
    decode_row(w, o, decoded.data());
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t k = first; k < last; ++k) {
        sums[static_cast<size_t>(t * w.cols + k)] +=
            static_cast<double>(to_float(dy[t * dy_stride + o])) *
            static_cast<double>(round_bf16(decoded[static_cast<size_t>(k)]));
      }
    }
  }
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t k = first; k < last; ++k) {
      float& out = dx[t * dx_stride + k];
      out = (add ? out : 0.0f) + static_cast<float>(sums[static_cast<size_t>(t * w.cols + k)]);
    }
  }
}

void linear_dw_bf16_reference(const Bf16* dy, int64_t dy_stride, const Bf16* x, int64_t x_stride,
                              int64_t rows, int64_t outputs, int64_t cols, float* dw, int64_t dw_stride) {
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t k = 0; k < cols; ++k) {
      double sum = 0;
      for (int64_t t = 0; t < rows; ++t) {
        sum += static_cast<double>(to_float(dy[t * dy_stride + o])) *
               static_cast<double>(to_float(x[t * x_stride + k]));
      }
      dw[o * dw_stride + k] += static_cast<float>(sum);
    }
  }
}

LinearDx<float>* linear_dx_for(Target target) { return FATHOM_PICK(linear_dx, target); }
LinearDw<float>* linear_dw_for(Target target) { return FATHOM_PICK(linear_dw, target); }
LinearDxBf16* linear_dx_bf16_for(Target target) { return FATHOM_PICK(linear_dx_bf16, target); }
LinearDwBf16* linear_dw_bf16_for(Target target) { return FATHOM_PICK(linear_dw_bf16, target); }

}  // namespace fathom

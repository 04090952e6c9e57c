#include "kernels/linear.h"

#include <type_traits>
#include <utility>

#include "formats/ggml_blocks.h"
#include "formats/ue8m0.h"
#include "kernels/linear_format.h"
#include "kernels/linear_tables.h"

#define FATHOM_KERNEL "kernels/linear.simd.h"
#define FATHOM_KERNEL_HAS_BF16
#include "kernels/foreach_target.h"

namespace fathom {

void linear_bf16_reference(const Bf16* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                           int64_t last, float* y, int64_t y_stride) {
  std::vector<float> decoded(static_cast<size_t>(w.cols));
  for (int64_t o = first; o < last; ++o) {
    decode_row(w, o, decoded.data());
    for (int64_t t = 0; t < rows; ++t) {
      double sum = 0;
      for (int64_t k = 0; k < w.cols; ++k) {
        sum += static_cast<double>(to_float(x[t * x_stride + k])) *
               static_cast<double>(round_bf16(decoded[static_cast<size_t>(k)]));
      }
      y[t * y_stride + o] = static_cast<float>(sum);
    }
  }
}

Linear<float>* linear_for(Target target) { return FATHOM_PICK(linear, target); }
LinearBf16* linear_bf16_for(Target target) { return FATHOM_PICK(linear_bf16, target); }

}  // namespace fathom

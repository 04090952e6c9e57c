#include "kernels/quantise.h"

namespace fathom {

void to_bf16_reference(const float* x, int64_t count, Bf16* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = to_bf16(x[i]);
}

}  // namespace fathom

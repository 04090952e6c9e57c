#include "kernels/quantise.h"

#include "formats/activation_quant.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ue8m0.h"

#define FATHOM_KERNEL "kernels/quantise.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

template <class Real>
void quantise_fp8_reference(Real* x, int64_t rows, int64_t stride, int64_t dim, int64_t block, bool ue8m0) {
  quantise_dequantise_fp8(Mat<Real>(x, rows, dim, stride), block,
                          ue8m0 ? ScaleFormat::ue8m0 : ScaleFormat::f32);
}
template void quantise_fp8_reference(float*, int64_t, int64_t, int64_t, int64_t, bool);
template void quantise_fp8_reference(double*, int64_t, int64_t, int64_t, int64_t, bool);

template <class Real>
void hadamard_fp4_reference(Real* x, int64_t rows, int64_t stride, int64_t dim) {
  const Mat<Real> view(x, rows, dim, stride);
  hadamard(view);
  quantise_dequantise_fp4(view);
}
template void hadamard_fp4_reference(float*, int64_t, int64_t, int64_t);
template void hadamard_fp4_reference(double*, int64_t, int64_t, int64_t);

template <class Real>
void hadamard_reference(Real* x, int64_t rows, int64_t stride, int64_t dim) {
  fathom::hadamard(Mat<Real>(x, rows, dim, stride));
}
template void hadamard_reference(float*, int64_t, int64_t, int64_t);
template void hadamard_reference(double*, int64_t, int64_t, int64_t);

void to_bf16_reference(const float* x, int64_t count, Bf16* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = to_bf16(x[i]);
}

QuantiseFp8<float>* quantise_fp8_for(Target target) { return FATHOM_PICK(quantise_fp8, target); }
HadamardFp4<float>* hadamard_fp4_for(Target target) { return FATHOM_PICK(hadamard_fp4, target); }
Hadamard<float>* hadamard_for(Target target) { return FATHOM_PICK(hadamard, target); }
ToBf16* to_bf16_for(Target target) { return FATHOM_PICK(to_bf16, target); }

}  // namespace fathom

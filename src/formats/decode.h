#pragma once
/// The exact scalar meaning of a stored weight row: the truth that every SIMD decoder is tested against.
/// Source: architecture.md section 7.

#include "base/tensor.h"

namespace fathom {

/// Decodes row `row` of w into out [w.cols]: value times scale, exact in double, rounded once to float.
/// All dtypes a WeightView may have (F64, F32, F16, BF16, F8_E4M3, F4_E2M1, Q8_0, Q2_K, Q4_K, IQ2_XXS,
/// MXFP4).
void decode_row(const WeightView& w, int64_t row, float* out);
void decode_row(const WeightView& w, int64_t row, double* out);

/// Whether every decoded value of this kind of weight is exact in bfloat16 (BF16; FP8, FP4 and MXFP4 with
/// power-of-two scales).
bool exact_in_bf16(const WeightView& w);

}  // namespace fathom

#pragma once
/// FP8 weights: E4M3 values with one scale per 128 x 128 block (the last blocks may be short), as the release
/// stores them. Source: architecture.md section 7.

#include <cstdint>
#include <vector>

#include "base/tensor.h"
#include "formats/activation_quant.h"

namespace fathom {

inline constexpr int64_t kFp8WeightBlock = 128;

/// An FP8 matrix in memory; the bytes are those of the files `weight` and `scale` (or `weight_scale_inv`).
struct Fp8Matrix {
  int64_t rows = 0, cols = 0;
  DType scale_dtype = DType::F8_E8M0;  ///< or F32
  std::vector<uint8_t> codes;          ///< [rows, cols]
  std::vector<uint8_t> scales;         ///< bytes of [ceil(rows/128), ceil(cols/128)] of scale_dtype

  int64_t scale_cols() const { return (cols + kFp8WeightBlock - 1) / kFp8WeightBlock; }
  /// A view into this matrix, valid while it lives.
  WeightView view() const;
};

/// w [rows, cols] to FP8. UE8M0: the scale of a block is 2^ceil(log2(amax / 448)); F32: amax / 448. Zeros get
/// the scale that the activation quantiser gives them. Unlike there, small blocks keep their precision: the
/// least scale is 2^-124, below which a product would leave bfloat16's range. Throws bad_input if a value is
/// not finite.
Fp8Matrix encode_fp8(Mat<const float> w, ScaleFormat format);

/// The FP8 form of an FP4 matrix: scale = largest of the block's 32-wide scales / 2^6, as the official
/// converter.
struct Fp8FromFp4 {
  Fp8Matrix matrix;
  int64_t changed = 0;  ///< values that FP8 could not hold; 0 if the scales in each block are within 2^14
};
/// @param w F4_E2M1 with row_32 UE8M0 scales, any shape with cols a multiple of 32
Fp8FromFp4 fp8_from_fp4(const WeightView& w);

}  // namespace fathom

#pragma once
/// FP4 weights: packed E2M1 values with one UE8M0 scale per row and 32 columns, as the release stores its
/// experts. Source: architecture.md section 7.

#include <cstdint>
#include <vector>

#include "base/tensor.h"

namespace fathom {

/// An FP4 matrix in memory; the bytes are those of the file's `weight` (I8) and `scale`.
struct Fp4Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<uint8_t> packed;  ///< [rows, cols / 2], low nibble = even column
  std::vector<uint8_t> scales;  ///< [rows, cols / 32] UE8M0

  /// A view into this matrix, valid while it lives.
  WeightView view() const;
};

/// w [rows, cols] to FP4 by the release's rule (formats/activation_quant.h). Throws bad_input if cols is not
/// a multiple of 32 or a value is not finite.
Fp4Matrix encode_fp4(Mat<const float> w);

}  // namespace fathom

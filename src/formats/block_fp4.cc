#include "formats/block_fp4.h"

#include <cmath>

#include "base/error.h"
#include "formats/activation_quant.h"

namespace fathom {

WeightView Fp4Matrix::view() const {
  WeightView v;
  v.dtype = DType::F4_E2M1;
  v.scale_layout = ScaleLayout::row_32;
  v.scale_dtype = DType::F8_E8M0;
  v.rows = rows;
  v.cols = cols;
  v.row_bytes = cols / 2;
  v.data = reinterpret_cast<const std::byte*>(packed.data());
  v.scales = reinterpret_cast<const std::byte*>(scales.data());
  v.scale_row_bytes = cols / kFp4Block;
  return v;
}

Fp4Matrix encode_fp4(Mat<const float> w) {
  if (w.cols % kFp4Block != 0) {
    bad_input("FP4 matrix: expected a number of columns that is a multiple of {}, found {}", kFp4Block,
              w.cols);
  }
  Fp4Matrix m;
  m.rows = w.rows;
  m.cols = w.cols;
  m.packed.resize(static_cast<size_t>(w.rows * w.cols / 2));
  m.scales.resize(static_cast<size_t>(w.rows * w.cols / kFp4Block));
  for (int64_t i = 0; i < w.rows; ++i) {
    for (int64_t j = 0; j < w.cols; ++j) {
      if (!std::isfinite(w.row(i)[j])) {
        bad_input("row {} column {}: expected a finite value, found {}", i, j, w.row(i)[j]);
      }
    }
    quantise_fp4(w.row(i), w.cols, m.packed.data() + i * w.cols / 2,
                 m.scales.data() + i * w.cols / kFp4Block);
  }
  return m;
}

}  // namespace fathom

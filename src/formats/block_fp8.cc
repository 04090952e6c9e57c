#include "formats/block_fp8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/decode.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ue8m0.h"

namespace fathom {
namespace {

// One 128 x 128 block of a grid: rows [row, row_end), columns [col, col_end).
struct Block {
  int64_t row, row_end, col, col_end;
};

Fp8Matrix empty_matrix(int64_t rows, int64_t cols, DType scale_dtype) {
  Fp8Matrix m;
  m.rows = rows;
  m.cols = cols;
  m.scale_dtype = scale_dtype;
  m.codes.resize(static_cast<size_t>(rows * cols));
  const int64_t grid = (rows + kFp8WeightBlock - 1) / kFp8WeightBlock * m.scale_cols();
  m.scales.resize(static_cast<size_t>(grid * block_bytes(scale_dtype)));
  return m;
}

// f(index in the scale grid, block) for all blocks of m.
template <class F>
void for_grid(const Fp8Matrix& m, F f) {
  size_t index = 0;
  for (int64_t row = 0; row < m.rows; row += kFp8WeightBlock) {
    for (int64_t col = 0; col < m.cols; col += kFp8WeightBlock) {
      f(index++,
        Block{row, std::min(row + kFp8WeightBlock, m.rows), col, std::min(col + kFp8WeightBlock, m.cols)});
    }
  }
}

float weight_amax(Mat<const float> w, const Block& block) {
  float amax = 0;
  for (int64_t i = block.row; i < block.row_end; ++i) {
    for (int64_t j = block.col; j < block.col_end; ++j) {
      const float value = w.row(i)[j];
      if (!std::isfinite(value))
        bad_input("row {} column {}: expected a finite value, found {}", i, j, value);
      amax = std::max(amax, std::abs(value));
    }
  }
  return amax;
}

float weight_scale(float amax, ScaleFormat format) {
  constexpr float kLeast = 0x1p-124f;
  if (amax == 0) return fp8_scale(0, format);
  const float scale = std::max(amax * (1.0f / kE4m3Max), kLeast);
  return format == ScaleFormat::ue8m0 ? ue8m0_to_float(ceil_to_ue8m0(scale)) : scale;
}

}  // namespace

WeightView Fp8Matrix::view() const {
  WeightView v;
  v.dtype = DType::F8_E4M3;
  v.scale_layout = ScaleLayout::block_128;
  v.scale_dtype = scale_dtype;
  v.rows = rows;
  v.cols = cols;
  v.row_bytes = cols;
  v.data = reinterpret_cast<const std::byte*>(codes.data());
  v.scales = reinterpret_cast<const std::byte*>(scales.data());
  v.scale_row_bytes = scale_cols() * block_bytes(scale_dtype);
  return v;
}

Fp8Matrix encode_fp8(Mat<const float> w, ScaleFormat format) {
  Fp8Matrix m = empty_matrix(w.rows, w.cols, format == ScaleFormat::ue8m0 ? DType::F8_E8M0 : DType::F32);
  for_grid(m, [&](size_t index, const Block& block) {
    const float scale = weight_scale(weight_amax(w, block), format);
    if (format == ScaleFormat::ue8m0) {
      m.scales[index] = ceil_to_ue8m0(scale);
    } else {
      std::memcpy(&m.scales[index * sizeof(float)], &scale, sizeof(float));
    }
    for (int64_t i = block.row; i < block.row_end; ++i) {
      for (int64_t j = block.col; j < block.col_end; ++j) {
        m.codes[static_cast<size_t>(i * m.cols + j)] = float_to_e4m3(w.row(i)[j] / scale);
      }
    }
  });
  return m;
}

Fp8FromFp4 fp8_from_fp4(const WeightView& w) {
  FATHOM_CHECK(w.dtype == DType::F4_E2M1 && w.scale_layout == ScaleLayout::row_32 &&
               w.scale_dtype == DType::F8_E8M0 && w.cols % kFp4Block == 0);
  constexpr int kHeadroom = 6;          // 6 * 2^6 = 384 still fits E4M3
  constexpr uint8_t kNegativeZero = 8;  // the official converter's table has +0 here
  Fp8FromFp4 out{empty_matrix(w.rows, w.cols, DType::F8_E8M0)};
  const auto scale_byte = [&](int64_t i, int64_t j) {
    return std::to_integer<uint8_t>(w.scales[(w.scale_first_row + i) * w.scale_row_bytes + j / kFp4Block]);
  };

  for_grid(out.matrix, [&](size_t index, const Block& block) {
    uint8_t largest = 0;
    for (int64_t i = block.row; i < block.row_end; ++i) {
      for (int64_t j = block.col; j < block.col_end; j += kFp4Block)
        largest = std::max(largest, scale_byte(i, j));
    }
    const bool nan = largest == kUe8m0NaN;
    const uint8_t byte = nan ? kUe8m0NaN : static_cast<uint8_t>(std::max(largest - kHeadroom, 0));
    out.matrix.scales[index] = byte;
    for (int64_t i = block.row; i < block.row_end; ++i) {
      const auto* packed = reinterpret_cast<const uint8_t*>(w.data + i * w.row_bytes);
      for (int64_t j = block.col; j < block.col_end; ++j) {
        const uint8_t fp4 = unpack_e2m1(packed, j);
        const float value = fp4 == kNegativeZero ? 0.0f : e2m1_to_float(fp4);
        // Exact: |byte difference| <= 255 keeps value * 2^difference inside double.
        const double ratio = std::ldexp(static_cast<double>(value), scale_byte(i, j) - byte);
        const uint8_t code = float_to_e4m3(static_cast<float>(ratio));
        out.matrix.codes[static_cast<size_t>(i * w.cols + j)] = code;
        if (scale_byte(i, j) != kUe8m0NaN)
          out.changed += nan || static_cast<double>(kE4m3Values[code]) != ratio;
      }
    }
  });
  return out;
}

}  // namespace fathom

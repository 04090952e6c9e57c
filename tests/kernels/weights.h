#pragma once
/// Weights of every stored format for the tests of linear: random codes and scales, at an odd byte offset.

#include <string>
#include <vector>

#include "formats/decode.h"
#include "tests/kernels/kernel_cases.h"

namespace fathom::test {

struct WeightFormat {
  const char* name;
  DType dtype;
  ScaleLayout layout;
  DType scale_dtype;
};

inline const std::vector<WeightFormat>& weight_formats() {
  static const std::vector<WeightFormat> formats = {
      {"F64", DType::F64, ScaleLayout::none, DType::F32},
      {"F32", DType::F32, ScaleLayout::none, DType::F32},
      {"F16", DType::F16, ScaleLayout::none, DType::F32},
      {"BF16", DType::BF16, ScaleLayout::none, DType::F32},
      {"FP8", DType::F8_E4M3, ScaleLayout::block_128, DType::F8_E8M0},
      {"FP8, float scales", DType::F8_E4M3, ScaleLayout::block_128, DType::F32},
      {"FP8 without scales", DType::F8_E4M3, ScaleLayout::none, DType::F32},
      {"FP4", DType::F4_E2M1, ScaleLayout::row_32, DType::F8_E8M0},
      {"FP4, float scales", DType::F4_E2M1, ScaleLayout::row_32, DType::F32},
      {"FP4 without scales", DType::F4_E2M1, ScaleLayout::none, DType::F32},
      {"Q8_0", DType::Q8_0, ScaleLayout::none, DType::F32},
      {"Q2_K", DType::Q2_K, ScaleLayout::none, DType::F32},
      {"Q4_K", DType::Q4_K, ScaleLayout::none, DType::F32},
      {"IQ2_XXS", DType::IQ2_XXS, ScaleLayout::none, DType::F32},
      {"MXFP4", DType::MXFP4, ScaleLayout::none, DType::F32},
  };
  return formats;
}

/// A weight and the memory it lies in.
struct StoredWeight {
  std::vector<std::byte> data, scales;
  WeightView view;
};

/// rows x cols of the format; values of about 1. The view begins in the middle of the tensor, `skip` rows in.
inline StoredWeight random_weight(const WeightFormat& format, int64_t rows, int64_t cols, int64_t skip,
                                  Values& values) {
  StoredWeight made;
  WeightView& w = made.view;
  w.dtype = format.dtype;
  w.scale_layout = format.layout;
  w.scale_dtype = format.scale_dtype;
  w.rows = rows + skip;
  w.cols = cols;
  const int64_t bytes = row_bytes(format.dtype, cols);
  w.row_bytes = bytes + 3;                                                        // rows at every alignment
  made.data.resize(static_cast<size_t>(1 + (w.rows - 1) * w.row_bytes + bytes));  // ends with the last row
  for (auto& byte : made.data) byte = std::byte{values.byte()};
  for (int64_t r = 0; r < w.rows; ++r) {
    std::byte* row = made.data.data() + 1 + r * w.row_bytes;
    const auto put = [&](int64_t at, const auto& value) { std::memcpy(row + at, &value, sizeof(value)); };
    const auto put_half = [&](int64_t at) { put(at, to_half(values.uniform(0.01f, 0.1f))); };
    for (int64_t k = 0; k < cols; ++k) {
      const float value = values.uniform();
      if (format.dtype == DType::F64) put(k * 8, static_cast<double>(value) * 1.0000000001);
      if (format.dtype == DType::F32) put(k * 4, value);
      if (format.dtype == DType::F16) put(k * 2, to_half(value));
      if (format.dtype == DType::BF16) put(k * 2, to_bf16(value));
      if (format.dtype == DType::F8_E4M3 && (std::to_integer<int>(row[k]) & 0x7F) == 0x7F)
        row[k] = std::byte{0x38};
    }
    const int64_t block = block_bytes(format.dtype);
    for (int64_t b = 0; b < bytes; b += block) {  // where the scales lie in a ggml block
      if (format.dtype == DType::Q8_0 || format.dtype == DType::IQ2_XXS) put_half(b);
      if (format.dtype == DType::Q4_K) put_half(b), put_half(b + 2);
      if (format.dtype == DType::Q2_K) put_half(b + 80), put_half(b + 82);
      if (format.dtype == DType::MXFP4) row[b] = static_cast<std::byte>(124 + values.below(5));
    }
  }
  w.data = made.data.data() + 1;
  if (format.layout != ScaleLayout::none) {
    const bool square = format.layout == ScaleLayout::block_128;
    const int64_t grid_rows = square ? (w.rows + 127) / 128 : w.rows;
    const int64_t grid_cols = square ? (cols + 127) / 128 : cols / 32;
    const int64_t size = format.scale_dtype == DType::F32 ? 4 : 1;
    w.scale_row_bytes = grid_cols * size;
    made.scales.resize(static_cast<size_t>(1 + grid_rows * w.scale_row_bytes));
    for (int64_t i = 0; i < grid_rows * grid_cols; ++i) {
      std::byte* at = made.scales.data() + 1 + i * size;
      const float scale = values.uniform(0.01f, 0.02f);
      if (size == 4) std::memcpy(at, &scale, 4);
      if (size == 1) *at = static_cast<std::byte>(118 + values.below(5));
    }
    w.scales = made.scales.data() + 1;
  }
  made.view = w.slice_rows(skip, rows);
  return made;
}

}  // namespace fathom::test

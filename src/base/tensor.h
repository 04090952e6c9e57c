#pragma once
/// Views of matrices: borrowed, trivially copyable, never owners (design: hard point 1, "Types and
/// ownership").

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace fathom {

/// Whether a result replaces what is there or is added to it.
enum class Sum : uint8_t { set, add };

/// A row-major matrix of T in memory; element (i, j) is data[i * stride + j].
template <class T>
struct Mat {
  T* data = nullptr;
  int64_t rows = 0, cols = 0, stride = 0;

  Mat() = default;
  Mat(T* data_, int64_t rows_, int64_t cols_) : data(data_), rows(rows_), cols(cols_), stride(cols_) {}
  Mat(T* data_, int64_t rows_, int64_t cols_, int64_t stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {}
  // NOLINTNEXTLINE(google-explicit-constructor): reading is always allowed
  operator Mat<const T>() const { return {data, rows, cols, stride}; }

  T* row(int64_t i) const { return data + i * stride; }
  Mat slice_rows(int64_t first, int64_t count) const { return {data + first * stride, count, cols, stride}; }
  Mat slice_cols(int64_t first, int64_t count) const { return {data + first, rows, count, stride}; }
};

/// How the scales of a quantised weight lie (architecture.md section 7).
enum class ScaleLayout : uint8_t {
  none,       ///< the values are themselves (F32, BF16, ...) or carry their scales (ggml blocks)
  block_128,  ///< FP8: one scale per 128 x 128 block, grid [ceil(rows/128), ceil(cols/128)], last blocks
              ///< short
  row_32,     ///< FP4: one scale per row and 32 columns, grid [rows, cols/32]
};

/// A weight matrix [rows, cols] as it lies in a file (any byte offset: no alignment may be assumed).
struct WeightView {
  DType dtype = DType::F32;
  ScaleLayout scale_layout = ScaleLayout::none;
  DType scale_dtype = DType::F8_E8M0;  ///< F8_E8M0 or F32, if scale_layout != none
  int64_t rows = 0, cols = 0;
  int64_t row_bytes = 0;  ///< distance of rows in bytes (a column slice keeps the full row's)
  const std::byte* data = nullptr;
  const std::byte* scales = nullptr;  ///< first scale of the whole tensor's grid
  int64_t scale_row_bytes = 0;        ///< distance of scale rows in bytes
  int64_t scale_first_row = 0;        ///< row of this view's row 0 in the whole tensor: row i uses scale row
                                ///< (scale_first_row + i) / 128 (block_128) or scale_first_row + i (row_32)

  explicit operator bool() const { return data != nullptr; }

  /// Rows [first, first + count) of this view.
  WeightView slice_rows(int64_t first, int64_t count) const {
    WeightView v = *this;
    v.rows = count;
    v.data = data + first * row_bytes;
    v.scale_first_row = scale_first_row + first;
    return v;
  }
};

/// A view of an ordinary matrix in memory as a weight.
inline WeightView weight_view(const float* data, int64_t rows, int64_t cols) {
  WeightView v;
  v.dtype = DType::F32;
  v.rows = rows;
  v.cols = cols;
  v.row_bytes = cols * 4;
  v.data = reinterpret_cast<const std::byte*>(data);
  return v;
}
inline WeightView weight_view(const double* data, int64_t rows, int64_t cols) {
  WeightView v = weight_view(static_cast<const float*>(nullptr), rows, cols);
  v.dtype = DType::F64;
  v.row_bytes = cols * 8;
  v.data = reinterpret_cast<const std::byte*>(data);
  return v;
}

}  // namespace fathom

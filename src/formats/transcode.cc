#include "formats/transcode.h"

#include <cstring>
#include <vector>

#include "base/error.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/encode.h"
#include "formats/ggml_blocks.h"

namespace fathom {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool is_fp4(const WeightView& w) { return w.dtype == DType::F4_E2M1 && w.scale_dtype == DType::F8_E8M0; }

bool same_storage(const WeightView& w, const WeightStorage& to) {
  return w.dtype == to.dtype && (!to.has_scales() || w.scale_dtype == to.scale_dtype);
}

int64_t scale_row_bytes(const WeightStorage& storage, int64_t cols) {
  if (!storage.has_scales()) return 0;
  const int64_t width = storage.dtype == DType::F8_E4M3 ? kFp8WeightBlock : kFp4Block;
  return ceil_div(cols, width) * block_bytes(storage.scale_dtype);
}

void copy_rows(const WeightView& w, int64_t first, int64_t count, const WeightStorage& to, std::byte* values,
               std::byte* scales) {
  const int64_t bytes = row_bytes(w.dtype, w.cols);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(values + i * bytes, w.data + (first + i) * w.row_bytes, static_cast<size_t>(bytes));
  }
  if (!to.has_scales()) return;
  const bool square = w.scale_layout == ScaleLayout::block_128;
  const int64_t height = square ? kFp8WeightBlock : 1, width = scale_row_bytes(to, w.cols);
  // A grid row belongs to one group of rows only if the view begins on a block.
  FATHOM_CHECK(w.scale_first_row % height == 0);
  const int64_t begin = (w.scale_first_row + first) / height;
  for (int64_t i = 0; i < ceil_div(count, height); ++i) {
    std::memcpy(scales + i * width, w.scales + (begin + i) * w.scale_row_bytes, static_cast<size_t>(width));
  }
}

void copy_matrix(const std::vector<uint8_t>& from_values, const std::vector<uint8_t>& from_scales,
                 std::byte* values, std::byte* scales) {
  std::memcpy(values, from_values.data(), from_values.size());
  std::memcpy(scales, from_scales.data(), from_scales.size());
}

// MXFP4 rows as an FP4 matrix: the same codes and scales.
Fp4Matrix fp4_of_mxfp4(const WeightView& w, int64_t first, int64_t count) {
  Fp4Matrix m;
  m.rows = count;
  m.cols = w.cols;
  m.packed.resize(static_cast<size_t>(count * w.cols / 2));
  m.scales.resize(static_cast<size_t>(count * w.cols / kFp4Block));
  for (int64_t i = 0; i < count; ++i) {
    mxfp4_row_to_fp4(w.data + (first + i) * w.row_bytes, w.cols,
                     reinterpret_cast<std::byte*>(m.packed.data() + i * w.cols / 2),
                     reinterpret_cast<std::byte*>(m.scales.data() + i * w.cols / kFp4Block));
  }
  return m;
}

void fp4_to_mxfp4(const WeightView& w, int64_t first, int64_t count, std::byte* values) {
  const int64_t bytes = row_bytes(DType::MXFP4, w.cols);
  for (int64_t i = first; i < first + count; ++i) {
    fp4_row_to_mxfp4(w.data + i * w.row_bytes, w.scales + (w.scale_first_row + i) * w.scale_row_bytes, w.cols,
                     values + (i - first) * bytes);
  }
}

}  // namespace

int64_t scale_bytes(const WeightStorage& storage, int64_t rows, int64_t cols) {
  const int64_t height = storage.dtype == DType::F8_E4M3 ? kFp8WeightBlock : 1;
  return ceil_div(rows, height) * scale_row_bytes(storage, cols);
}

bool transcodes_exactly(const WeightView& w, const WeightStorage& to) {
  if (same_storage(w, to) || to.dtype == DType::F64) return true;
  const bool to_fp4 = to.dtype == DType::F4_E2M1 && to.scale_dtype == DType::F8_E8M0;
  if ((is_fp4(w) || w.dtype == DType::MXFP4) && (to_fp4 || to.dtype == DType::MXFP4)) return true;
  if (to.dtype == DType::F32) return w.dtype != DType::F64;
  return to.dtype == DType::BF16 && exact_in_bf16(w);
}

int64_t transcode_rows(const WeightView& w, int64_t first, int64_t count, const WeightStorage& to,
                       std::byte* values, std::byte* scales) {
  FATHOM_CHECK(first % kTranscodeRows == 0 && first >= 0 && count >= 0 && first + count <= w.rows);
  const int64_t bytes = row_bytes(to.dtype, w.cols);
  if (bytes < 0 || (to.dtype == DType::F4_E2M1 && w.cols % kFp4Block != 0)) {
    bad_input("expected columns in multiples of {} for {}, found {}",
              to.dtype == DType::F4_E2M1 ? kFp4Block : block_values(to.dtype), name(to.dtype), w.cols);
  }
  if (same_storage(w, to)) {
    copy_rows(w, first, count, to, values, scales);
    return 0;
  }
  if (is_fp4(w) && to.dtype == DType::MXFP4) {
    fp4_to_mxfp4(w, first, count, values);
    return 0;
  }
  if (w.dtype == DType::MXFP4 && to.dtype == DType::F4_E2M1) {
    const Fp4Matrix m = fp4_of_mxfp4(w, first, count);
    copy_matrix(m.packed, m.scales, values, scales);
    return 0;
  }
  if (to.dtype == DType::F8_E4M3 && to.scale_dtype == DType::F8_E8M0 &&
      (is_fp4(w) || w.dtype == DType::MXFP4)) {
    const bool ggml = w.dtype == DType::MXFP4;
    const Fp4Matrix m = ggml ? fp4_of_mxfp4(w, first, count) : Fp4Matrix{};
    WeightView group = w.slice_rows(first, count);
    if (ggml) group = m.view();
    const Fp8FromFp4 converted = fp8_from_fp4(group);
    copy_matrix(converted.matrix.codes, converted.matrix.scales, values, scales);
    return converted.changed;
  }
  std::vector<float> x(static_cast<size_t>(count * w.cols));
  for (int64_t i = 0; i < count; ++i) decode_row(w, first + i, x.data() + i * w.cols);
  const Mat<const float> rows(x.data(), count, w.cols);
  if (to.dtype == DType::F8_E4M3) {
    const auto format = to.scale_dtype == DType::F32 ? ScaleFormat::f32 : ScaleFormat::ue8m0;
    const Fp8Matrix m = encode_fp8(rows, format);
    copy_matrix(m.codes, m.scales, values, scales);
  } else if (to.dtype == DType::F4_E2M1) {
    const Fp4Matrix m = encode_fp4(rows);
    copy_matrix(m.packed, m.scales, values, scales);
  } else {
    for (int64_t i = 0; i < count; ++i) encode_row(to.dtype, rows.row(i), w.cols, values + i * bytes);
  }
  return 0;
}

}  // namespace fathom

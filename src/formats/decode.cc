#include "formats/decode.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "formats/activation_quant.h"
#include "formats/block_fp8.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ggml_blocks.h"
#include "formats/half.h"
#include "formats/ue8m0.h"

namespace fathom {
namespace {

template <class T>
T load(const std::byte* p, int64_t index) {
  T value;
  std::memcpy(&value, p + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

double scale_at(const WeightView& w, const std::byte* scale_row, int64_t index) {
  if (w.scale_dtype == DType::F32) return static_cast<double>(load<float>(scale_row, index));
  FATHOM_CHECK(w.scale_dtype == DType::F8_E8M0);
  return static_cast<double>(ue8m0_to_float(load<uint8_t>(scale_row, index)));
}

// out[j] = value(j) * the scale of its block, for the scale layout of w.
template <class Real, class Value>
void decode_scaled(const WeightView& w, int64_t row, Real* out, Value value) {
  if (w.scale_layout == ScaleLayout::none) {
    for (int64_t j = 0; j < w.cols; ++j) out[j] = static_cast<Real>(value(j));
    return;
  }
  const bool square = w.scale_layout == ScaleLayout::block_128;
  const int64_t width = square ? kFp8WeightBlock : kFp4Block;
  const int64_t scale_row = (w.scale_first_row + row) / (square ? kFp8WeightBlock : 1);
  const std::byte* scales = w.scales + scale_row * w.scale_row_bytes;
  for (int64_t first = 0; first < w.cols; first += width) {
    const double scale = scale_at(w, scales, first / width);
    const int64_t end = std::min(first + width, w.cols);
    for (int64_t j = first; j < end; ++j) out[j] = static_cast<Real>(static_cast<double>(value(j)) * scale);
  }
}

template <class Real>
void decode(const WeightView& w, int64_t row, Real* out) {
  const std::byte* p = w.data + row * w.row_bytes;
  const auto* bytes = reinterpret_cast<const uint8_t*>(p);
  const auto each = [&](auto value) {
    for (int64_t j = 0; j < w.cols; ++j) out[j] = static_cast<Real>(value(j));
  };
  switch (w.dtype) {
    case DType::F64:
      return each([&](int64_t j) { return load<double>(p, j); });
    case DType::F32:
      return each([&](int64_t j) { return load<float>(p, j); });
    case DType::F16:
      return each([&](int64_t j) { return to_float(load<Half>(p, j)); });
    case DType::BF16:
      return each([&](int64_t j) { return to_float(load<Bf16>(p, j)); });
    case DType::F8_E4M3:
      return decode_scaled(w, row, out, [&](int64_t j) { return kE4m3Values[bytes[j]]; });
    case DType::F4_E2M1:
      return decode_scaled(w, row, out, [&](int64_t j) { return e2m1_to_float(unpack_e2m1(bytes, j)); });
    default:
      return decode_ggml_row(w.dtype, p, w.cols, out);
  }
}

}  // namespace

void decode_row(const WeightView& w, int64_t row, float* out) { decode(w, row, out); }
void decode_row(const WeightView& w, int64_t row, double* out) { decode(w, row, out); }

bool exact_in_bf16(const WeightView& w) {
  switch (w.dtype) {
    case DType::BF16:
    case DType::MXFP4:
      return true;
    case DType::F8_E4M3:
    case DType::F4_E2M1:
      return w.scale_layout == ScaleLayout::none || w.scale_dtype == DType::F8_E8M0;
    default:
      return false;
  }
}

}  // namespace fathom

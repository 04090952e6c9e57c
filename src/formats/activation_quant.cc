#include "formats/activation_quant.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ue8m0.h"

namespace fathom {
namespace {

// float first: the quantisers are defined on fp32 whatever the row is stored in.
template <class Real>
void copy_as_float(const Real* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]);
}

// f(first column, columns) for each block of a row.
template <class F>
void for_blocks(int64_t cols, int64_t block, F f) {
  for (int64_t first = 0; first < cols; first += block) f(first, std::min(block, cols - first));
}

void encode_fp8_block(const float* x, int64_t count, float scale, uint8_t* codes) {
  for (int64_t i = 0; i < count; ++i) codes[i] = float_to_e4m3(x[i] / scale);  // the encoder clamps
}

}  // namespace

float block_amax(const float* x, int64_t count) {
  // As integers, magnitudes have the order of their values and NaN is above infinity.
  uint32_t amax = 0;
  for (int64_t i = 0; i < count; ++i) amax = std::max(amax, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFFu);
  return std::bit_cast<float>(amax);
}

float fp8_scale(float amax, ScaleFormat format) {
  constexpr float kInverse = 1.0f / kE4m3Max;
  const float scale = (amax < 1e-4f ? 1e-4f : amax) * kInverse;
  if (!(scale < INFINITY)) return ue8m0_to_float(kUe8m0NaN);
  return format == ScaleFormat::ue8m0 ? ue8m0_to_float(ceil_to_ue8m0(scale)) : scale;
}

uint8_t fp4_scale(float amax) {
  constexpr float kInverse = 1.0f / kE2m1Max;
  constexpr float kFloor = kE2m1Max * 0x1p-126f;
  return ceil_to_ue8m0((amax < kFloor ? kFloor : amax) * kInverse);
}

void quantise_fp8(const float* x, int64_t cols, int64_t block, uint8_t* codes, uint8_t* scales) {
  for_blocks(cols, block, [&](int64_t first, int64_t count) {
    const float scale = fp8_scale(block_amax(x + first, count), ScaleFormat::ue8m0);
    scales[first / block] = ceil_to_ue8m0(scale);
    encode_fp8_block(x + first, count, scale, codes + first);
  });
}

void quantise_fp8(const float* x, int64_t cols, int64_t block, ScaleFormat format, uint8_t* codes,
                  float* scales) {
  for_blocks(cols, block, [&](int64_t first, int64_t count) {
    const float scale = fp8_scale(block_amax(x + first, count), format);
    scales[first / block] = scale;
    encode_fp8_block(x + first, count, scale, codes + first);
  });
}

void dequantise_fp8(const uint8_t* codes, const uint8_t* scales, int64_t cols, int64_t block, float* out) {
  for_blocks(cols, block, [&](int64_t first, int64_t count) {
    const float scale = ue8m0_to_float(scales[first / block]);
    for (int64_t i = first; i < first + count; ++i) out[i] = kE4m3Values[codes[i]] * scale;
  });
}

void quantise_fp4(const float* x, int64_t cols, uint8_t* packed, uint8_t* scales) {
  for_blocks(cols, kFp4Block, [&](int64_t first, int64_t count) {
    const uint8_t byte = fp4_scale(block_amax(x + first, count));
    const float scale = ue8m0_to_float(byte);
    scales[first / kFp4Block] = byte;
    for (int64_t i = first; i < first + count; i += 2) {
      const uint8_t even = float_to_e2m1(x[i] / scale);
      const uint8_t odd = i + 1 < first + count ? float_to_e2m1(x[i + 1] / scale) : uint8_t{0};
      packed[i / 2] = pack_e2m1(even, odd);
    }
  });
}

void dequantise_fp4(const uint8_t* packed, const uint8_t* scales, int64_t cols, float* out) {
  for_blocks(cols, kFp4Block, [&](int64_t first, int64_t count) {
    const float scale = ue8m0_to_float(scales[first / kFp4Block]);
    for (int64_t i = first; i < first + count; ++i) out[i] = e2m1_to_float(unpack_e2m1(packed, i)) * scale;
  });
}

template <class Real>
void quantise_dequantise_fp8(Mat<Real> rows, int64_t block, ScaleFormat format) {
  FATHOM_CHECK(block > 0);
  std::vector<float> x(static_cast<size_t>(std::min(block, rows.cols)));
  for (int64_t t = 0; t < rows.rows; ++t) {
    for_blocks(rows.cols, block, [&](int64_t first, int64_t count) {
      Real* row = rows.row(t) + first;
      copy_as_float(row, count, x.data());
      const float scale = fp8_scale(block_amax(x.data(), count), format);
      for (int64_t i = 0; i < count; ++i) {
        row[i] = kE4m3Values[float_to_e4m3(x[static_cast<size_t>(i)] / scale)] * scale;
      }
    });
  }
}

template <class Real>
void quantise_dequantise_fp4(Mat<Real> rows) {
  float x[kFp4Block];
  for (int64_t t = 0; t < rows.rows; ++t) {
    for_blocks(rows.cols, kFp4Block, [&](int64_t first, int64_t count) {
      Real* row = rows.row(t) + first;
      copy_as_float(row, count, x);
      const float scale = ue8m0_to_float(fp4_scale(block_amax(x, count)));
      for (int64_t i = 0; i < count; ++i) row[i] = e2m1_to_float(float_to_e2m1(x[i] / scale)) * scale;
    });
  }
}

template <class Real>
void hadamard(Mat<Real> rows) {
  FATHOM_CHECK(rows.cols > 0 && (rows.cols & (rows.cols - 1)) == 0);
  const Real scale = static_cast<Real>(1 / std::sqrt(static_cast<double>(rows.cols)));
  for (int64_t t = 0; t < rows.rows; ++t) {
    Real* x = rows.row(t);
    for (int64_t half = 1; half < rows.cols; half *= 2) {
      for (int64_t first = 0; first < rows.cols; first += 2 * half) {
        for (int64_t i = first; i < first + half; ++i) {
          const Real a = x[i], b = x[i + half];
          x[i] = a + b;
          x[i + half] = a - b;
        }
      }
    }
    for (int64_t i = 0; i < rows.cols; ++i) x[i] *= scale;
  }
}

template void quantise_dequantise_fp8<float>(Mat<float>, int64_t, ScaleFormat);
template void quantise_dequantise_fp8<double>(Mat<double>, int64_t, ScaleFormat);
template void quantise_dequantise_fp4<float>(Mat<float>);
template void quantise_dequantise_fp4<double>(Mat<double>);
template void hadamard<float>(Mat<float>);
template void hadamard<double>(Mat<double>);

}  // namespace fathom

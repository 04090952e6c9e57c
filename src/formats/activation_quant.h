#pragma once
/// Per-token block quantisers of the release, row by row: activations and KV rows to E4M3 (blocks of 128 and
/// 64), indexer rows to E2M1 (blocks of 32) after a Hadamard transform. Source: architecture.md section 7.
/// These plain forms are what every fast kernel is tested against.
///
/// A block that holds a NaN or an infinity gets the scale NaN, so all of it reads back as NaN: a broken row
/// shows. The last block of a row may be short.

#include <cstdint>

#include "base/tensor.h"

namespace fathom {

inline constexpr int64_t kActivationBlock = 128;  ///< FP8, inputs of quantised matmuls
inline constexpr int64_t kKvBlock = 64;           ///< FP8, the part of a KV row without RoPE
inline constexpr int64_t kFp4Block = 32;          ///< FP4, indexer queries and keys; also FP4 weights

/// config.json's scale_fmt: "ue8m0" rounds the scale up to a power of two, null leaves amax / 448 as it is.
enum class ScaleFormat : uint8_t { ue8m0, f32 };

/// Largest magnitude of x [count]; NaN if any value is NaN.
float block_amax(const float* x, int64_t count);

/// Scale of an FP8 block: v = max(amax, 1e-4) * fp32(1/448), for ue8m0 rounded up to a power of two.
/// Zeros get 2^-22.
float fp8_scale(float amax, ScaleFormat format);

/// Scale byte of an FP4 block: max(amax, 6 * 2^-126) * fp32(1/6), rounded up to a power of two. Zeros get
/// byte 1.
uint8_t fp4_scale(float amax);

/// One row to FP8: codes [cols] = e4m3(clamp(x / scale, +-448)), scales [ceil(cols / block)] as UE8M0 bytes.
void quantise_fp8(const float* x, int64_t cols, int64_t block, uint8_t* codes, uint8_t* scales);
/// The same with scales as floats, in either format.
void quantise_fp8(const float* x, int64_t cols, int64_t block, ScaleFormat format, uint8_t* codes,
                  float* scales);
/// The row back: out [cols] = code * scale, rounded once to float.
void dequantise_fp8(const uint8_t* codes, const uint8_t* scales, int64_t cols, int64_t block, float* out);

/// One row to FP4: packed [ceil(cols / 2)] (low nibble = even column), scales [ceil(cols / 32)] as UE8M0
/// bytes.
void quantise_fp4(const float* x, int64_t cols, uint8_t* packed, uint8_t* scales);
/// The row back: out [cols] = code * scale, rounded once to float.
void dequantise_fp4(const uint8_t* packed, const uint8_t* scales, int64_t cols, float* out);

/// Each row of `rows` [any, any] becomes what it reads as after quantise_fp8 and dequantise_fp8, in place.
/// Real is float or double; doubles are rounded to float first, so both give the same values.
template <class Real>
void quantise_dequantise_fp8(Mat<Real> rows, int64_t block, ScaleFormat format);

/// The same for FP4, blocks of 32.
template <class Real>
void quantise_dequantise_fp4(Mat<Real> rows);

/// Each row times the Sylvester-Hadamard matrix (H_1 = 1, H_2k = [[H, H], [H, -H]]) times cols^-0.5, in
/// place; sums in Real. cols must be a power of two (checked: an internal error otherwise).
template <class Real>
void hadamard(Mat<Real> rows);

}  // namespace fathom

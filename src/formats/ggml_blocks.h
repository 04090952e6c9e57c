#pragma once
/// ggml's block formats, one row at a time: decode of Q8_0, Q2_K, Q4_K, IQ2_XXS and MXFP4, encode of Q8_0 and
/// MXFP4. Layouts after ggml (MIT, see THIRD_PARTY.md); held bit for bit to gguf-py in tests/golden/formats.

#include <array>
#include <cstdint>

#include "base/dtype.h"

namespace fathom {

/// Whether dtype is one of the five formats here.
bool is_ggml_block(DType dtype);

/// Scales (and minima) that lie in every block, in bytes.
int64_t ggml_scale_bytes(DType dtype);
/// Index of the first of `count` blocks side by side with a scale that is NaN or infinite; -1 if none has.
int64_t bad_ggml_block(DType dtype, const std::byte* blocks, int64_t count);

/// Decodes a row of cols values (a multiple of block_values(dtype)) at any byte offset. Every value is exact
/// in double, then rounded once to Real (float or double).
template <class Real>
void decode_ggml_row(DType dtype, const std::byte* row, int64_t cols, Real* out);

/// x [cols] to Q8_0: scale = half(amax / 127), values rounded half away from zero, as ggml does.
/// Throws bad_input if a value is not finite or too large for the scale (8.3 million).
void encode_q8_0_row(const float* x, int64_t cols, std::byte* out);

/// x [cols] to MXFP4: scale = 2^(floor(log2 amax) - 2), nearest value, ties to the smaller, above 6
/// saturated, as ggml does. Exact for values that came from FP4. Throws bad_input if a value is not finite.
void encode_mxfp4_row(const float* x, int64_t cols, std::byte* out);

/// One row of the release's FP4 (packed [cols / 2], UE8M0 scales [cols / 32]) to MXFP4 blocks and back: the
/// same codes and scale bytes in another order, nothing is rounded. cols is a multiple of 32.
void fp4_row_to_mxfp4(const std::byte* packed, const std::byte* scales, int64_t cols, std::byte* out);
void mxfp4_row_to_fp4(const std::byte* blocks, int64_t cols, std::byte* packed, std::byte* scales);

/// The eight magnitudes (8, 25 or 43) of an entry of IQ2_XXS's codebook.
std::array<uint8_t, 8> iq2_xxs_grid(uint8_t index);

/// The eight signs of an IQ2_XXS group as bits (1 = negative) from seven stored ones: their number is even.
uint8_t iq2_xxs_signs(uint8_t seven_bits);

}  // namespace fathom

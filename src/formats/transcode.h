#pragma once
/// Rows of a stored weight in another storage, without a rounding where there need be none.
/// Source: architecture.md section 7.

#include <cstddef>
#include <cstdint>

#include "base/tensor.h"

namespace fathom {

/// How a matrix is stored: values, and scales beside them if F8_E4M3 (128 x 128) or F4_E2M1 (row and 32).
struct WeightStorage {
  DType dtype = DType::F32;
  DType scale_dtype = DType::F8_E8M0;  ///< F8_E8M0; for F8_E4M3 also F32
  bool has_scales() const { return dtype == DType::F8_E4M3 || dtype == DType::F4_E2M1; }
};

/// Rows that transcode_rows() takes at a time begin at a multiple of this: the height of an FP8 block.
inline constexpr int64_t kTranscodeRows = 128;

/// Bytes of the scales of `rows` rows that begin at a multiple of kTranscodeRows; 0 without scales.
int64_t scale_bytes(const WeightStorage& storage, int64_t rows, int64_t cols);

/// Whether transcode_rows() from w to `to` gives the same values for every w of its kind.
bool transcodes_exactly(const WeightView& w, const WeightStorage& to);

/// Writes rows [first, first + count) of w as `to`: values [count * row_bytes(dtype, cols)], scales
/// [scale_bytes(to, count, cols)] (may be null without scales). Same storage: the bytes as they are. FP4 and
/// MXFP4 into each other: the same codes and scales. FP4 or MXFP4 to FP8: scale = largest of the block / 2^6.
/// Everything else is decoded and encoded again. first must be a multiple of kTranscodeRows, and count too
/// unless the matrix ends there. Returns how many values of FP4 an FP8 block could not hold (its scales lie
/// more than 2^14 apart). Throws Error(bad_input) for columns that `to` cannot block and values it cannot
/// hold.
int64_t transcode_rows(const WeightView& w, int64_t first, int64_t count, const WeightStorage& to,
                       std::byte* values, std::byte* scales);

}  // namespace fathom

#pragma once
/// The reverse of decode_row for the kinds of weight that need no scales beside them. FP8 and FP4:
/// block_fp8.h, block_fp4.h. Source: architecture.md section 7.

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace fathom {

/// Encodes x [cols] into out [row_bytes(dtype, cols)], at any alignment: F32 as it is, F64 exact, F16 and
/// BF16 to nearest (ties to even), Q8_0 and MXFP4 as ggml does. cols must be a multiple of
/// block_values(dtype). Throws unsupported for another dtype, bad_input if a finite value becomes infinite
/// (F16, BF16) or a value does not fit a block (Q8_0, MXFP4).
void encode_row(DType dtype, const float* x, int64_t cols, std::byte* out);

}  // namespace fathom

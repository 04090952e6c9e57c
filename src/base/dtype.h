#pragma once
/// Element types of tensors on disk and in memory, with their block geometry.

#include <cstdint>
#include <optional>
#include <string_view>

namespace fathom {

enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  F8_E4M3,  ///< FP8 weights (scales apart)
  F8_E8M0,  ///< power-of-two scales
  F4_E2M1,  ///< two values per byte, low nibble = even column (safetensors stores it as I8; scales apart)
  I64,
  I32,
  I16,
  I8,
  U8,
  BOOL,
  Q8_0,
  Q2_K,
  Q4_K,
  IQ2_XXS,
  MXFP4,  ///< ggml blocks, scales inside
};

/// "F32", "F8_E4M3", "Q4_K", ...: safetensors' spelling where it has one.
std::string_view name(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);

/// Values per indivisible block along a row (1 for plain types, 2 for F4_E2M1, 32 or 256 for ggml blocks).
int64_t block_values(DType dtype);
/// Bytes of one such block.
int64_t block_bytes(DType dtype);
/// Bytes of a row of `cols` values, or -1 if cols is not a multiple of block_values or the product overflows.
int64_t row_bytes(DType dtype, int64_t cols);

}  // namespace fathom

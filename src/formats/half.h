#pragma once
/// 16-bit floats: bfloat16 and IEEE half, encode and decode of one value. Rounding to nearest, ties to even.

#include <bit>
#include <cstdint>

namespace fathom {

/// A bfloat16 as bits.
struct Bf16 {
  uint16_t bits;
  bool operator==(const Bf16&) const = default;
};

inline float to_float(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

/// Nearest bfloat16, ties to even; NaN stays a (quiet) NaN.
inline Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

/// value rounded to bfloat16 and back.
inline float round_bf16(float value) { return to_float(to_bf16(value)); }

}  // namespace fathom

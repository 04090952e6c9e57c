#pragma once
/// UE8M0, the scale byte: 2^(byte - 127); byte 0 is 2^-127, byte 255 is NaN.
/// Source: architecture.md section 7; OCP microscaling formats specification.

#include <bit>
#include <cstdint>

namespace fathom {

inline constexpr uint8_t kUe8m0NaN = 255;

/// Exact (2^-127 is a denormal float).
constexpr float ue8m0_to_float(uint8_t byte) {
  if (byte == kUe8m0NaN) return std::bit_cast<float>(0x7FC00000u);
  return std::bit_cast<float>(byte == 0 ? 0x00400000u : static_cast<uint32_t>(byte) << 23);
}

/// The byte of 2^ceil(log2 value) for value >= 2^-126, on the bits of the float: exponent, plus one if any
/// mantissa bit is set. Above 2^127, for infinity and for NaN it is 255. The sign is ignored.
constexpr uint8_t ceil_to_ue8m0(float value) {
  const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7FFFFFFFu;
  const uint32_t exponent = (magnitude >> 23) + ((magnitude & 0x7FFFFFu) != 0);
  return static_cast<uint8_t>(exponent < 255 ? exponent : 255);
}

}  // namespace fathom

#pragma once
/// E4M3 (the "fn" kind: no infinities, largest 448, NaN 0x7F and 0xFF), encode and decode of one value.
/// Source: architecture.md section 7; OCP 8-bit floating point specification.

#include <array>
#include <bit>
#include <cstdint>

namespace fathom {

inline constexpr float kE4m3Max = 448.0f;

/// Exact.
constexpr float e4m3_to_float(uint8_t code) {
  const uint32_t sign = (code & 0x80u) << 24;
  const uint32_t magnitude = code & 0x7Fu;
  if (magnitude == 0x7F) return std::bit_cast<float>(sign | 0x7FC00000u);
  if (magnitude >= 8) return std::bit_cast<float>(sign | ((magnitude << 20) + (120u << 23)));
  const float denormal = static_cast<float>(magnitude) * 0x1p-9f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(denormal));
}

/// Nearest code, ties to the even code. Magnitudes above 448 (infinity too) become 448: the quantisers clamp
/// before they round. A negative value that rounds to zero keeps its sign (0x80); NaN becomes 0x7F or 0xFF.
constexpr uint8_t float_to_e4m3(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 24) & 0x80u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto with_sign = [&](uint32_t code) { return static_cast<uint8_t>(sign | code); };
  if (magnitude > 0x7F800000u) return with_sign(0x7F);
  if (magnitude >= std::bit_cast<uint32_t>(kE4m3Max)) return with_sign(0x7E);
  if (magnitude >=
      (121u << 23)) {  // 2^-6, normal: rebias, round away 20 bits; a carry into the exponent is right
    return with_sign((magnitude - (120u << 23) + 0x7FFFFu + ((magnitude >> 20) & 1u)) >> 20);
  }
  // Denormal: adding 2^14 makes one unit of the sum's last place 2^-9, the step of E4M3's denormals.
  const float aligned = std::bit_cast<float>(magnitude) + 0x1p14f;
  return with_sign(std::bit_cast<uint32_t>(aligned) - std::bit_cast<uint32_t>(0x1p14f));
}

/// Value of each of the 256 codes.
inline constexpr std::array<float, 256> kE4m3Values = [] {
  std::array<float, 256> values{};
  for (unsigned code = 0; code < 256; ++code) values[code] = e4m3_to_float(static_cast<uint8_t>(code));
  return values;
}();

}  // namespace fathom

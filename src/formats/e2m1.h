#pragma once
/// E2M1, the 4-bit float: 0, .5, 1, 1.5, 2, 3, 4, 6 and their negatives (code 8 is -0; no NaN, no infinity).
/// Source: architecture.md section 7; OCP microscaling formats specification.

#include <array>
#include <bit>
#include <cstdint>

namespace fathom {

inline constexpr float kE2m1Max = 6.0f;

/// Value of each of the 16 codes.
inline constexpr std::array<float, 16> kE2m1Values = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                                      -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

/// Exact; only the low four bits of code count.
constexpr float e2m1_to_float(uint8_t code) { return kE2m1Values[code & 15u]; }

/// Nearest code (0..15), ties to the even code. Magnitudes above 6 (infinity too) become 6. A negative value
/// that rounds to zero keeps its sign (8). The format has no NaN: one becomes a zero, so callers mark it in
/// the scale.
constexpr uint8_t float_to_e2m1(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 28) & 8u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto with_sign = [&](uint32_t code) { return static_cast<uint8_t>(sign | code); };
  if (magnitude > 0x7F800000u) return with_sign(0);
  if (magnitude >= std::bit_cast<uint32_t>(kE2m1Max)) return with_sign(7);
  if (magnitude >=
      (127u << 23)) {  // 1, normal: rebias, round away 22 bits; a carry into the exponent is right
    return with_sign((magnitude - (126u << 23) + 0x1FFFFFu + ((magnitude >> 22) & 1u)) >> 22);
  }
  // Below 1: adding 2^22 makes one unit of the sum's last place 1/2, the step of E2M1 there.
  const float aligned = std::bit_cast<float>(magnitude) + 0x1p22f;
  return with_sign(std::bit_cast<uint32_t>(aligned) - std::bit_cast<uint32_t>(0x1p22f));
}

/// Codes of columns 2j (low nibble) and 2j + 1 (high nibble) in one byte.
constexpr uint8_t pack_e2m1(uint8_t even, uint8_t odd) { return static_cast<uint8_t>(even | (odd << 4)); }

/// Code of column `col` of a packed row.
constexpr uint8_t unpack_e2m1(const uint8_t* packed, int64_t col) {
  return static_cast<uint8_t>((packed[col / 2] >> (col % 2 * 4)) & 15);
}

}  // namespace fathom

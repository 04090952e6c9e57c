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

constexpr float to_float(Bf16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

/// Nearest bfloat16, ties to even; NaN stays a (quiet) NaN.
constexpr Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

/// value rounded to bfloat16 and back.
constexpr float round_bf16(float value) { return to_float(to_bf16(value)); }

/// An IEEE 754 binary16 as bits.
struct Half {
  uint16_t bits;
  bool operator==(const Half&) const = default;
};

/// Exact; denormals, infinities and NaN (payload kept, quiet) included.
constexpr float to_float(Half value) {
  const uint32_t sign = (value.bits & 0x8000u) << 16;
  const uint32_t exponent = (value.bits >> 10) & 31u;
  const uint32_t mantissa = value.bits & 0x3FFu;
  if (exponent == 31) {
    const uint32_t quiet = mantissa != 0 ? 0x400000u : 0u;
    return std::bit_cast<float>(sign | 0x7F800000u | quiet | (mantissa << 13));
  }
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

/// Nearest half, ties to even; above the largest (from 65520 on) infinity; NaN stays a (quiet) NaN.
constexpr Half to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto with_sign = [&](uint32_t half) { return Half{static_cast<uint16_t>(sign | half)}; };
  if (magnitude > 0x7F800000u) return with_sign(0x7E00u | ((magnitude >> 13) & 0x3FFu));
  if (magnitude >= 0x477FF000u) return with_sign(0x7C00u);
  if (magnitude >= 0x38800000u) {  // normal: rebias, round away 13 bits; a carry into the exponent is right
    return with_sign((magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13);
  }
  // Denormal: adding 0.5 makes one unit of the sum's last place 2^-24, the step of half's denormals.
  const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
  return with_sign(std::bit_cast<uint32_t>(aligned) - 0x3F000000u);
}

/// value rounded to half and back.
constexpr float round_half(float value) { return to_float(to_half(value)); }

}  // namespace fathom

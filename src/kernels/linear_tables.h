#pragma once
/// Tables of FP8 and FP4 codes with their power-of-two scale, as bfloat16: every entry is exact, so a decoder
/// is a look-up and the scale vanishes from the dot product (design: hard point 5).

#include <cstdint>

namespace fathom {

/// The 128 magnitudes of E4M3 times 2^(scale byte - 127), low and high bytes of their bfloat16 apart.
struct Fp8Bf16Table {
  alignas(64) uint8_t low[128];
  uint8_t high[128];
};
/// The 16 values of E2M1 times 2^(scale byte - 127).
struct Fp4Bf16Table {
  alignas(32) uint16_t bits[16];
};

/// 256 tables each, by scale byte; made on first use.
const Fp8Bf16Table* fp8_bf16_tables();
const Fp4Bf16Table* fp4_bf16_tables();

/// The 256 entries of IQ2_XXS's codebook, eight magnitudes of a byte each; made on first use.
const uint64_t* iq2_xxs_magnitudes();

}  // namespace fathom

#include "kernels/linear_tables.h"

#include <array>
#include <bit>
#include <memory>

#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ggml_blocks.h"
#include "formats/half.h"
#include "formats/ue8m0.h"

namespace fathom {

const Fp8Bf16Table* fp8_bf16_tables() {
  static const auto tables = [] {
    auto made = std::make_unique<std::array<Fp8Bf16Table, 256>>();
    for (unsigned byte = 0; byte < 256; ++byte) {
      const float scale = ue8m0_to_float(static_cast<uint8_t>(byte));
      for (unsigned code = 0; code < 128; ++code) {
        const uint16_t bits = to_bf16(kE4m3Values[code] * scale).bits;
        (*made)[byte].low[code] = static_cast<uint8_t>(bits & 0xFF);
        (*made)[byte].high[code] = static_cast<uint8_t>(bits >> 8);
      }
    }
    return made;
  }();
  return tables->data();
}

const Fp4Bf16Table* fp4_bf16_tables() {
  static const auto tables = [] {
    auto made = std::make_unique<std::array<Fp4Bf16Table, 256>>();
    for (unsigned byte = 0; byte < 256; ++byte) {
      const float scale = ue8m0_to_float(static_cast<uint8_t>(byte));
      for (unsigned code = 0; code < 16; ++code)
        (*made)[byte].bits[code] = to_bf16(kE2m1Values[code] * scale).bits;
    }
    return made;
  }();
  return tables->data();
}

const uint64_t* iq2_xxs_magnitudes() {
  static const auto table = [] {
    std::array<uint64_t, 256> made;
    for (unsigned index = 0; index < 256; ++index) {
      made[index] = std::bit_cast<uint64_t>(iq2_xxs_grid(static_cast<uint8_t>(index)));
    }
    return made;
  }();
  return table.data();
}

}  // namespace fathom

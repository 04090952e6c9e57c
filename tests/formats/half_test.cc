// bfloat16 and IEEE half: every code decodes and encodes back to itself; rounding is held at every midpoint.

#include "formats/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

namespace fathom {
namespace {

static_assert(to_float(Half{0x3C00}) == 1.0f && to_float(Half{0x0001}) == 0x1p-24f);
static_assert(to_half(1.0f / 3.0f).bits == 0x3555 && to_bf16(1.0f / 3.0f).bits == 0x3EAB);

// Codes of one sign from +0 to infinity are in the order of their values: each midpoint between neighbours
// goes to the even code, and the floats just below and above it to the nearer one.
template <class Value, class Encode>
void check_rounding(uint32_t infinity, Encode encode) {
  int bad = 0;
  for (uint32_t code = 0; code < infinity; ++code) {
    const double low = to_float(Value{static_cast<uint16_t>(code)});
    double high = to_float(Value{static_cast<uint16_t>(code + 1)});
    // The step beyond the largest finite value has the width of the one below it.
    if (code + 1 == infinity)
      high = low + (low - static_cast<double>(to_float(Value{static_cast<uint16_t>(code - 1)})));
    const float middle = static_cast<float>((low + high) / 2);
    if (static_cast<double>(middle) != (low + high) / 2)
      continue;  // half of the smallest bfloat16 is no float
    const uint32_t even = code + (code & 1u);
    const float inf = std::numeric_limits<float>::infinity();
    for (const uint32_t sign : {0u, 0x8000u}) {
      const float s = sign ? -1.0f : 1.0f;
      bad += encode(s * middle).bits != (sign | even);
      bad += encode(s * std::nextafter(middle, 0.0f)).bits != (sign | code);
      bad += encode(s * std::nextafter(middle, inf)).bits != (sign | (code + 1));
      bad += encode(s * static_cast<float>(low)).bits != (sign | code);
    }
  }
  CHECK(bad == 0);
}

TEST_CASE("half and bfloat16 round to nearest, ties to even") {
  check_rounding<Half>(0x7C00, to_half);
  check_rounding<Bf16>(0x7F80, to_bf16);
}

TEST_CASE("infinity and NaN") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(to_half(inf).bits == 0x7C00);
  CHECK(to_half(-inf).bits == 0xFC00);
  CHECK(to_bf16(-inf).bits == 0xFF80);
  CHECK(to_half(3e38f).bits == 0x7C00);
  CHECK(std::isnan(to_float(to_half(nan))));
  CHECK(std::isnan(to_float(to_bf16(nan))));
  CHECK(std::isnan(to_float(to_half(std::bit_cast<float>(0x7F800001u)))));
  for (uint32_t code = 0x7C01; code < 0x8000; ++code)
    CHECK(std::isnan(to_float(Half{static_cast<uint16_t>(code)})));
  CHECK(round_half(0.1f) == 0.0999755859375f);
}

}  // namespace
}  // namespace fathom

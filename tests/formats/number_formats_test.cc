// E4M3, E2M1 and UE8M0 against the tables of golden/formats, code by code, and the rounding of every
// bfloat16.

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ue8m0.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

static_assert(e4m3_to_float(0x7E) == 448.0f && float_to_e4m3(1e9f) == 0x7E && float_to_e4m3(-1e-9f) == 0x80);
static_assert(float_to_e2m1(5.0f) == 6 && float_to_e2m1(-0.25f) == 8 && float_to_e2m1(100.0f) == 7);
static_assert(ue8m0_to_float(127) == 1.0f && ceil_to_ue8m0(1.0f) == 127 && ceil_to_ue8m0(1.5f) == 128);

// Values of a table's file; "nan" as a string.
std::vector<float> table(const std::string& file) {
  std::vector<float> out;
  for (const auto& value : test::read_json(test::golden("formats/" + file))) {
    out.push_back(value.is_string() ? std::numeric_limits<float>::quiet_NaN() : value.get<float>());
  }
  return out;
}

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

TEST_CASE("every code has the value of the golden table, and encodes back to itself") {
  const auto e4m3 = table("e4m3.json"), e2m1 = table("e2m1.json"), e8m0 = table("e8m0.json");
  REQUIRE(e4m3.size() == 256);
  REQUIRE(e2m1.size() == 16);
  REQUIRE(e8m0.size() == 256);
  for (unsigned i = 0; i < 256; ++i) {
    CAPTURE(i);
    const auto code = static_cast<uint8_t>(i);
    CHECK(same(e4m3_to_float(code), e4m3[i]));
    CHECK(same(kE4m3Values[i], e4m3[i]));
    CHECK(same(ue8m0_to_float(code), e8m0[i]));
    if (!std::isnan(e4m3[i])) CHECK(float_to_e4m3(e4m3[i]) == code);
    if (i < 16) {
      CHECK(same(e2m1_to_float(code), e2m1[i]));
      CHECK(float_to_e2m1(e2m1[i]) == code);
    }
    if (i > 0) CHECK(ceil_to_ue8m0(e8m0[i]) == code);
  }
}

TEST_CASE("NaN, infinity and values out of range") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(float_to_e4m3(nan) == 0x7F);
  CHECK(float_to_e4m3(-nan) == 0xFF);
  CHECK(float_to_e4m3(inf) == 0x7E);
  CHECK(float_to_e4m3(-465.0f) == 0xFE);
  CHECK(float_to_e2m1(-inf) == 15);
  CHECK(float_to_e2m1(nan) == 0);
  CHECK(ceil_to_ue8m0(inf) == kUe8m0NaN);
  CHECK(ceil_to_ue8m0(nan) == kUe8m0NaN);
  CHECK(ceil_to_ue8m0(std::nextafter(0x1p127f, inf)) == kUe8m0NaN);
}

TEST_CASE("all bfloat16 values and random floats round as the golden codes") {
  const auto file = test::TensorFile::open(test::golden("formats/act_quant.safetensors"));
  const auto e4m3 = file.bytes("bf16_to_e4m3"), e2m1 = file.bytes("bf16_to_e2m1");
  REQUIRE(e4m3.size() == 65536);
  int bad = 0, checked = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = to_float(Bf16{static_cast<uint16_t>(bits)});
    if (!std::isfinite(value)) continue;
    ++checked;
    bad += float_to_e4m3(value) != e4m3[bits];
    bad += float_to_e2m1(value) != e2m1[bits];
  }
  CHECK(checked == 65280);
  CHECK(bad == 0);

  const auto x8 = file.f32("f32_to_e4m3.x"), x4 = file.f32("f32_to_e2m1.x");
  const auto q8 = file.bytes("f32_to_e4m3.q"), q4 = file.bytes("f32_to_e2m1.q");
  REQUIRE(x8.size() == 4096);
  for (size_t i = 0; i < x8.size(); ++i) CHECK(float_to_e4m3(x8[i]) == q8[i]);
  for (size_t i = 0; i < x4.size(); ++i) CHECK(float_to_e2m1(x4[i]) == q4[i]);
}

// Midpoints between neighbours go to the even code, the floats beside them to the nearer one.
template <class Encode, class Decode>
int rounding_errors(unsigned largest, unsigned sign_bit, Encode encode, Decode decode) {
  int bad = 0;
  for (unsigned code = 0; code < largest; ++code) {
    const float low = decode(static_cast<uint8_t>(code)), high = decode(static_cast<uint8_t>(code + 1));
    const float middle = (low + high) / 2;
    for (const unsigned sign : std::initializer_list<unsigned>{0u, sign_bit}) {
      const float s = sign ? -1.0f : 1.0f;
      bad += encode(s * middle) != (sign | (code + (code & 1u)));
      bad += encode(s * std::nextafter(middle, 0.0f)) != (sign | code);
      bad += encode(s * std::nextafter(middle, 1e9f)) != (sign | (code + 1));
    }
  }
  return bad;
}

TEST_CASE("ties go to the even code") {
  CHECK(rounding_errors(0x7E, 0x80, float_to_e4m3, e4m3_to_float) == 0);
  CHECK(rounding_errors(7, 8, float_to_e2m1, e2m1_to_float) == 0);
}

}  // namespace
}  // namespace fathom

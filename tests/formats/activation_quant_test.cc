// The per-token quantisers and the Hadamard transform against golden/formats, bit for bit.

#include "formats/activation_quant.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "formats/e4m3.h"
#include "formats/ue8m0.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

const test::TensorFile& golden_file() {
  static const auto file = test::TensorFile::open(test::golden("formats/act_quant.safetensors"));
  return file;
}

template <class T>
Mat<T> mat(std::vector<T>& data, const std::vector<int64_t>& shape) {
  return {data.data(), shape.at(0), shape.at(1)};
}

std::vector<uint16_t> as_bf16(const std::vector<float>& values) {
  std::vector<uint16_t> out;
  for (const float value : values) out.push_back(to_bf16(value).bits);
  return out;
}

std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (const float value : values) out.push_back(std::bit_cast<uint32_t>(value));
  return out;
}

// In place, from float and from double rows: the same values, with these bits.
template <class Float, class Double>
void check_in_place(const std::vector<float>& x, const std::vector<int64_t>& shape,
                    const std::vector<float>& expected, Float in_float, Double in_double) {
  std::vector<float> y = x;
  in_float(mat(y, shape));
  CHECK(bits(y) == bits(expected));
  std::vector<double> z(x.begin(), x.end());
  in_double(mat(z, shape));
  CHECK(bits(std::vector<float>(z.begin(), z.end())) == bits(expected));
}

TEST_CASE("FP8 blocks of 128 and 64") {
  const auto& file = golden_file();
  for (const std::string block_text : {"128", "64"}) {
    for (const std::string kind : {"", "_f32in"}) {
      const std::string name = "act" + block_text + kind;
      CAPTURE(name);
      const int64_t block = std::stoll(block_text);
      const auto x = file.f32(name + ".x");
      const auto shape = file.shape(name + ".x");
      std::vector<uint8_t> codes(x.size()), scales(x.size() / static_cast<size_t>(block));
      std::vector<float> back(x.size());
      for (int64_t t = 0; t < shape[0]; ++t) {
        const int64_t at = t * shape[1];
        quantise_fp8(x.data() + at, shape[1], block, codes.data() + at, scales.data() + at / block);
        dequantise_fp8(codes.data() + at, scales.data() + at / block, shape[1], block, back.data() + at);
      }
      CHECK(codes == file.bytes(name + ".q"));
      CHECK(scales == file.bytes(name + ".scale"));
      CHECK(bits(back) == bits(file.f32(name + ".dequant_f32")));
      if (kind.empty()) CHECK(as_bf16(back) == file.u16(name + ".dequant_bf16"));
      check_in_place(
          x, shape, back, [&](Mat<float> m) { quantise_dequantise_fp8(m, block, ScaleFormat::ue8m0); },
          [&](Mat<double> m) { quantise_dequantise_fp8(m, block, ScaleFormat::ue8m0); });
    }
  }
}

TEST_CASE("FP8 with unrounded scales") {
  const auto& file = golden_file();
  for (const std::string block_text : {"128", "64"}) {
    const std::string name = "act" + block_text + "_f32scale";
    CAPTURE(name);
    const int64_t block = std::stoll(block_text);
    const auto x = file.f32("act" + block_text + ".x");
    const auto shape = file.shape("act" + block_text + ".x");
    std::vector<uint8_t> codes(x.size());
    std::vector<float> scales(x.size() / static_cast<size_t>(block)), expected(x.size());
    for (int64_t t = 0; t < shape[0]; ++t) {
      const int64_t at = t * shape[1];
      quantise_fp8(x.data() + at, shape[1], block, ScaleFormat::f32, codes.data() + at,
                   scales.data() + at / block);
    }
    CHECK(codes == file.bytes(name + ".q"));
    CHECK(bits(scales) == bits(file.f32(name + ".scale")));
    for (size_t i = 0; i < x.size(); ++i) {
      expected[i] = e4m3_to_float(codes[i]) * scales[i / static_cast<size_t>(block)];
    }
    check_in_place(
        x, shape, expected, [&](Mat<float> m) { quantise_dequantise_fp8(m, block, ScaleFormat::f32); },
        [&](Mat<double> m) { quantise_dequantise_fp8(m, block, ScaleFormat::f32); });
  }
}

TEST_CASE("FP4 blocks of 32") {
  const auto& file = golden_file();
  const auto x = file.f32("fp4.x");
  const auto shape = file.shape("fp4.x");
  std::vector<uint8_t> packed(x.size() / 2), scales(x.size() / kFp4Block);
  std::vector<float> back(x.size());
  for (int64_t t = 0; t < shape[0]; ++t) {
    const int64_t at = t * shape[1];
    quantise_fp4(x.data() + at, shape[1], packed.data() + at / 2, scales.data() + at / kFp4Block);
    dequantise_fp4(packed.data() + at / 2, scales.data() + at / kFp4Block, shape[1], back.data() + at);
  }
  CHECK(packed == file.bytes("fp4.q"));
  CHECK(scales == file.bytes("fp4.scale"));
  CHECK(bits(back) == bits(file.f32("fp4.dequant_f32")));
  CHECK(as_bf16(back) == file.u16("fp4.dequant_bf16"));
  check_in_place(
      x, shape, back, [](Mat<float> m) { quantise_dequantise_fp4(m); },
      [](Mat<double> m) { quantise_dequantise_fp4(m); });
}

TEST_CASE("scale of every bfloat16 amax and of floats around the switch points") {
  const auto& file = golden_file();
  const auto fp8_byte = [](float amax) { return ceil_to_ue8m0(fp8_scale(amax, ScaleFormat::ue8m0)); };
  const auto fp8 = file.bytes("amax_to_e8m0_fp8"), fp4 = file.bytes("amax_to_e8m0_fp4");
  REQUIRE(fp8.size() == 32640);
  int bad = 0;
  for (size_t bf16 = 0; bf16 < fp8.size(); ++bf16) {
    const float amax = to_float(Bf16{static_cast<uint16_t>(bf16)});
    bad += fp8_byte(amax) != fp8[bf16];
    bad += fp4_scale(amax) != fp4[bf16];
  }
  CHECK(bad == 0);
  const auto amax8 = file.f32("f32_amax_fp8"), amax4 = file.f32("f32_amax_fp4");
  for (const std::string rule : {"", "_division"}) {
    const auto byte8 = file.bytes("f32_amax_to_e8m0_fp8" + rule),
               byte4 = file.bytes("f32_amax_to_e8m0_fp4" + rule);
    for (size_t i = 0; i < amax8.size(); ++i) CHECK(fp8_byte(amax8[i]) == byte8[i]);
    for (size_t i = 0; i < amax4.size(); ++i) CHECK(fp4_scale(amax4[i]) == byte4[i]);
  }
}

TEST_CASE("a short last block is quantised as one of its own") {
  std::vector<float> x(70);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i)) * (i < 64 ? 1.0f : 300.0f);
  std::vector<float> tail(x.begin() + 64, x.end());
  std::vector<uint8_t> codes(70), scales(2), tail_codes(6), tail_scale(1);
  quantise_fp8(x.data(), 70, 64, codes.data(), scales.data());
  quantise_fp8(tail.data(), 6, 64, tail_codes.data(), tail_scale.data());
  CHECK(scales[1] == tail_scale[0]);
  CHECK(std::vector<uint8_t>(codes.begin() + 64, codes.end()) == tail_codes);
  CHECK(scales[0] < scales[1]);

  std::vector<float> odd(x.begin(), x.begin() + 35), back(35);
  std::vector<uint8_t> packed(18), scales4(2);
  quantise_fp4(odd.data(), 35, packed.data(), scales4.data());
  dequantise_fp4(packed.data(), scales4.data(), 35, back.data());
  CHECK(packed[17] < 16);  // the nibble beyond the row is zero
  quantise_dequantise_fp4(Mat<float>(odd.data(), 1, 35));
  CHECK(odd == back);
}

TEST_CASE("a block with NaN or infinity reads back as NaN, its neighbours do not change") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const float broken : {inf, -inf, nan}) {
    for (const auto format : {ScaleFormat::ue8m0, ScaleFormat::f32}) {
      std::vector<float> x(256, 1.0f);
      x[3] = broken;
      x[100] = 7.0f;
      quantise_dequantise_fp8(Mat<float>(x.data(), 1, 256), kActivationBlock, format);
      for (size_t i = 0; i < 128; ++i) CHECK(std::isnan(x[i]));
      for (size_t i = 128; i < 256; ++i) CHECK(x[i] == doctest::Approx(1.0f));
    }
    std::vector<float> x(64, 1.0f);
    x[40] = broken;
    quantise_dequantise_fp4(Mat<float>(x.data(), 1, 64));
    CHECK(x[31] == 1.0f);
    for (size_t i = 32; i < 64; ++i) CHECK(std::isnan(x[i]));
  }
}

TEST_CASE("Hadamard transform, and the FP4 quantiser after it") {
  const auto file = test::TensorFile::open(test::golden("formats/hadamard.safetensors"));
  for (const std::string dim : {"32", "64", "128"}) {
    CAPTURE(dim);
    const auto shape = file.shape(dim + ".x");
    const auto exact = file.f64(dim + ".y_f64");
    double largest = 0;
    for (const double value : exact) largest = std::max(largest, std::abs(value));

    std::vector<float> y = file.f32(dim + ".x");
    hadamard(mat(y, shape));
    for (size_t i = 0; i < y.size(); ++i)
      CHECK(std::abs(static_cast<double>(y[i]) - exact[i]) <= 1e-6 * largest);
    CHECK(as_bf16(y) == file.u16(dim + ".y_bf16"));

    std::vector<double> z = file.f64(dim + ".x");
    hadamard(mat(z, shape));
    for (size_t i = 0; i < z.size(); ++i) CHECK(std::abs(z[i] - exact[i]) <= 1e-14 * largest);

    for (float& value : y) value = round_bf16(value);
    quantise_dequantise_fp4(mat(y, shape));
    CHECK(as_bf16(y) == file.u16(dim + ".y_fp4_bf16"));
  }
}

}  // namespace
}  // namespace fathom

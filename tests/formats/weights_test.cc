// FP8 and FP4 weights: decode of the golden matrices, encode, and the conversion FP4 -> FP8.

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/encode.h"
#include "formats/half.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

const test::TensorFile& golden_file() {
  static const auto file = test::TensorFile::open(test::golden("formats/weights.safetensors"));
  return file;
}

template <class Real = float>
std::vector<Real> decode_all(const WeightView& w) {
  std::vector<Real> out(static_cast<size_t>(w.rows * w.cols));
  for (int64_t i = 0; i < w.rows; ++i) decode_row(w, i, out.data() + i * w.cols);
  return out;
}

Fp8Matrix fp8_matrix(const std::string& weight, const std::string& scale) {
  const auto& file = golden_file();
  Fp8Matrix m;
  m.rows = file.shape(weight)[0];
  m.cols = file.shape(weight)[1];
  m.scale_dtype = *dtype_from_name(file.dtype(scale));
  m.codes = file.bytes(weight);
  m.scales = file.bytes(scale);
  return m;
}

Fp4Matrix fp4_matrix(const std::string& weight, const std::string& scale) {
  const auto& file = golden_file();
  return {file.shape(weight)[0], file.shape(weight)[1] * 2, file.bytes(weight), file.bytes(scale)};
}

// Row by row, in pieces: a view of some rows reads what the whole reads.
void check_slices(const WeightView& w, const std::vector<float>& expected) {
  for (const int64_t first : {int64_t{0}, int64_t{5}, int64_t{130}, w.rows - 1}) {
    const int64_t count = std::min<int64_t>(140, w.rows - first);
    const auto part = decode_all(w.slice_rows(first, count));
    const auto at = expected.begin() + first * w.cols;
    CHECK(std::equal(part.begin(), part.end(), at));
  }
}

TEST_CASE("FP8 weights decode, with UE8M0 and with F32 scales, ragged last block") {
  const auto fp8 = fp8_matrix("fp8.weight", "fp8.scale");
  const auto expected = golden_file().f32("fp8.dequant");
  CHECK(decode_all(fp8.view()) == expected);
  CHECK(decode_all<double>(fp8.view()) == golden_file().f64("fp8.dequant"));
  check_slices(fp8.view(), expected);
  CHECK(exact_in_bf16(fp8.view()));

  const auto f32 = fp8_matrix("fp8_f32scale.weight", "fp8_f32scale.weight_scale_inv");
  CHECK(decode_all(f32.view()) == golden_file().f32("fp8_f32scale.dequant"));
  const auto exact = decode_all<double>(f32.view());
  const auto rounded = golden_file().f32("fp8_f32scale.dequant");
  for (size_t i = 0; i < exact.size(); ++i) CHECK(static_cast<float>(exact[i]) == rounded[i]);
  check_slices(f32.view(), rounded);
  CHECK(!exact_in_bf16(f32.view()));
}

TEST_CASE("FP4 weights decode") {
  const auto fp4 = fp4_matrix("fp4.weight", "fp4.scale");
  const auto expected = golden_file().f32("fp4.dequant");
  CHECK(decode_all(fp4.view()) == expected);
  CHECK(decode_all<double>(fp4.view()) == golden_file().f64("fp4.dequant"));
  check_slices(fp4.view(), expected);
  CHECK(exact_in_bf16(fp4.view()));
}

TEST_CASE("FP4 to FP8 gives the official converter's bytes and counts what it loses") {
  for (const std::string name : {"convert6", "convert14", "convert15"}) {
    CAPTURE(name);
    const auto fp4 = fp4_matrix(name + ".fp4", name + ".fp4_scale");
    const auto fp8 = fp8_from_fp4(fp4.view());
    CHECK(fp8.matrix.codes == golden_file().bytes(name + ".fp8"));
    CHECK(fp8.matrix.scales == golden_file().bytes(name + ".fp8_scale"));
    const auto before = decode_all(fp4.view()), after = decode_all(fp8.matrix.view());
    int64_t changed = 0;
    for (size_t i = 0; i < before.size(); ++i) changed += before[i] != after[i];
    CHECK(fp8.changed == changed);
    CHECK((changed == 0) == (name != "convert15"));
  }
}

TEST_CASE("FP4 to FP8 at the ends of the scale range, and with a short last block") {
  Fp4Matrix m{2, 160, std::vector<uint8_t>(160, 0x21), std::vector<uint8_t>(10, 3)};  // scales of 2^-124
  const auto low = fp8_from_fp4(m.view());
  CHECK(low.matrix.scales == std::vector<uint8_t>{0, 0});
  CHECK(low.changed == 0);
  CHECK(decode_all<double>(low.matrix.view()) == decode_all<double>(m.view()));
  m.scales[4] = 255;  // NaN in the last column block of row 0: that block is lost, and counted
  const auto nan = fp8_from_fp4(m.view());
  CHECK(nan.matrix.scales == std::vector<uint8_t>{0, 255});
  CHECK(nan.changed == 32);
}

TEST_CASE("encoding the values of an FP8 or FP4 matrix loses nothing") {
  const auto fp8 = golden_file().f32("fp8.dequant"), fp4 = golden_file().f32("fp4.dequant");
  CHECK(decode_all(encode_fp8(Mat<const float>(fp8.data(), 320, 256), ScaleFormat::ue8m0).view()) == fp8);
  CHECK(decode_all(encode_fp4(Mat<const float>(fp4.data(), 192, 256)).view()) == fp4);
}

TEST_CASE("encoded weights are within half a step of the values") {
  constexpr int64_t kRows = 131, kCols = 288;  // ragged in both directions; row stride wider than the row
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const float size : {1e-30f, 1e-6f, 0.02f, 3e4f}) {
    CAPTURE(size);
    std::vector<float> data(kRows * 300, std::numeric_limits<float>::quiet_NaN());
    const Mat<float> w(data.data(), kRows, kCols, 300);
    for (int64_t i = 0; i < kRows; ++i) {
      for (int64_t j = 0; j < kCols; ++j) w.row(i)[j] = normal(random) * size;
    }
    const auto amax_of_block = [&](int64_t row, int64_t col, int64_t height, int64_t width) {
      float amax = 0;
      for (int64_t i = row / height * height; i < std::min(kRows, row / height * height + height); ++i) {
        for (int64_t j = col / width * width; j < std::min(kCols, col / width * width + width); ++j) {
          amax = std::max(amax, std::abs(w.row(i)[j]));
        }
      }
      return amax;
    };
    // 4 significant bits, or a step of 2^-9 of a scale of at most amax / 224 (448 where it is not rounded).
    for (const auto format : {ScaleFormat::ue8m0, ScaleFormat::f32}) {
      const auto decoded = decode_all(encode_fp8(w, format).view());
      for (int64_t i = 0; i < kRows; i += 13) {
        for (int64_t j = 0; j < kCols; j += 7) {
          const float x = w.row(i)[j], amax = amax_of_block(i, j, 128, 128);
          const float bound = std::max(std::abs(x) / 16.0f, amax / 224.0f * 0x1p-10f) * 1.0001f;
          CHECK(std::abs(decoded[static_cast<size_t>(i * kCols + j)] - x) <= bound);
        }
      }
    }
    const auto decoded = decode_all(encode_fp4(w).view());
    for (int64_t i = 0; i < kRows; i += 13) {
      for (int64_t j = 0; j < kCols; j += 7) {
        const float x = w.row(i)[j], amax = amax_of_block(i, j, 1, 32);
        CHECK(std::abs(decoded[static_cast<size_t>(i * kCols + j)] - x) <=
              std::max(std::abs(x) / 4.0f, amax / 3.0f * 0.25f) * 1.0001f);
      }
    }
  }
}

TEST_CASE("zeros and bad values") {
  std::vector<float> w(4 * 64, 0.0f);
  w[7] = -0.0f;
  const Mat<const float> m(w.data(), 4, 64);
  CHECK(encode_fp8(m, ScaleFormat::ue8m0).scales == std::vector<uint8_t>{105});  // 2^-22, as for activations
  CHECK(encode_fp8(m, ScaleFormat::ue8m0).codes[7] == 0x80);
  CHECK(encode_fp4(m).scales == std::vector<uint8_t>(8, 1));
  CHECK(decode_all(encode_fp8(m, ScaleFormat::f32).view()) == w);
  CHECK_THROWS_WITH_AS(encode_fp4(Mat<const float>(w.data(), 4, 48)),
                       "FP4 matrix: expected a number of columns that is a multiple of 32, found 48", Error);
  w[70] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS(encode_fp8(m, ScaleFormat::ue8m0),
                       "row 1 column 6: expected a finite value, found inf", Error);
  CHECK_THROWS_WITH_AS(encode_fp4(m), "row 1 column 6: expected a finite value, found inf", Error);
}

TEST_CASE("plain types decode at any byte offset, and encode_row is their reverse") {
  const std::vector<float> x = {0.0f, -0.0f, 1.0f, -2.5f, 0.333333f, 65504.0f, 1e-7f, 3.0f};
  for (const DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16}) {
    CAPTURE(name(dtype));
    const int64_t bytes = row_bytes(dtype, 4);
    std::vector<std::byte> data(static_cast<size_t>(2 * bytes) + 1);
    encode_row(dtype, x.data(), 4, data.data() + 1);
    encode_row(dtype, x.data() + 4, 4, data.data() + 1 + bytes);
    WeightView w;
    w.dtype = dtype;
    w.rows = 2;
    w.cols = 4;
    w.row_bytes = bytes;
    w.data = data.data() + 1;
    const auto got = decode_all(w);
    const auto exact = decode_all<double>(w);
    for (size_t i = 0; i < x.size(); ++i) {
      const float want = dtype == DType::F16    ? round_half(x[i])
                         : dtype == DType::BF16 ? round_bf16(x[i])
                                                : x[i];
      CHECK(std::bit_cast<uint32_t>(got[i]) == std::bit_cast<uint32_t>(want));
      CHECK(exact[i] == static_cast<double>(want));
    }
    CHECK(exact_in_bf16(w) == (dtype == DType::BF16));
  }
  std::vector<std::byte> out(64);
  const float big = 1e6f;
  CHECK_THROWS_WITH_AS(encode_row(DType::F16, &big, 1, out.data()),
                       "expected a value within the range of F16, found 1000000", Error);
  CHECK_THROWS_AS(encode_row(DType::I32, &big, 1, out.data()), Error);
  const double third = 1.0 / 3.0;
  float rounded = 0;
  decode_row(weight_view(&third, 1, 1), 0, &rounded);
  CHECK(rounded == 1.0f / 3.0f);
}

}  // namespace
}  // namespace fathom

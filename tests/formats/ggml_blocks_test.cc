// ggml's block formats against gguf-py (golden/formats/gguf_quants), and the codebook of IQ2_XXS.

#include "formats/ggml_blocks.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "formats/block_fp4.h"
#include "formats/decode.h"
#include "formats/encode.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

const test::TensorFile& golden_file() {
  static const auto file = test::TensorFile::open(test::golden("formats/gguf_quants.safetensors"));
  return file;
}

template <class Real>
std::vector<Real> decode_blocks(DType dtype, const std::vector<uint8_t>& blocks, int64_t rows, int64_t cols) {
  WeightView w;
  w.dtype = dtype;
  w.rows = rows;
  w.cols = cols;
  w.row_bytes = row_bytes(dtype, cols);
  w.data = reinterpret_cast<const std::byte*>(blocks.data());
  std::vector<Real> out(static_cast<size_t>(rows * cols));
  for (int64_t i = 0; i < rows; ++i) decode_row(w, i, out.data() + i * cols);
  return out;
}

TEST_CASE("blocks decode to gguf-py's values") {
  for (const DType dtype :
       {DType::Q8_0, DType::Q2_K, DType::Q4_K, DType::IQ2_XXS, DType::MXFP4, DType::BF16}) {
    CAPTURE(name(dtype));
    const std::string type(name(dtype));
    const auto blocks = golden_file().bytes(type + ".blocks");
    const auto expected = golden_file().f32(type + ".dequant");
    CHECK(decode_blocks<float>(dtype, blocks, 6, 512) == expected);
    const auto exact = decode_blocks<double>(dtype, blocks, 6, 512);
    for (size_t i = 0; i < exact.size(); ++i) CHECK(static_cast<float>(exact[i]) == expected[i]);
  }
}

TEST_CASE("Q8_0, MXFP4 and BF16 encode to gguf-py's bytes") {
  const auto rows = golden_file().f32("rows");
  for (const DType dtype : {DType::Q8_0, DType::MXFP4, DType::BF16}) {
    CAPTURE(name(dtype));
    const int64_t bytes = row_bytes(dtype, 512);
    std::vector<uint8_t> out(static_cast<size_t>(6 * bytes));
    for (int64_t i = 0; i < 6; ++i) {
      encode_row(dtype, rows.data() + i * 512, 512, reinterpret_cast<std::byte*>(out.data()) + i * bytes);
    }
    CHECK(out == golden_file().bytes(std::string(name(dtype)) + ".blocks"));
  }
}

TEST_CASE("IQ2_XXS codebook: all 256 entries, through the decoder") {
  // One block has 32 entries: eight blocks show all of them. Scale d = 4, group scale 0: value = magnitude
  // / 2.
  std::vector<uint8_t> blocks;
  for (int block = 0; block < 8; ++block) {
    blocks.insert(blocks.end(), {0x00, 0x44});
    for (int group = 0; group < 8; ++group) {
      for (int k = 0; k < 4; ++k) blocks.push_back(static_cast<uint8_t>(block * 32 + group * 4 + k));
      blocks.insert(blocks.end(), 4, 0);
    }
  }
  const auto values = decode_blocks<float>(DType::IQ2_XXS, blocks, 1, 2048);
  // FNV-1a over the 2,048 magnitudes as gguf 0.19.0 has them (gguf.quants.IQ2_XXS.grid as bytes).
  uint64_t hash = 0xcbf29ce484222325u;
  std::set<std::vector<float>> entries;
  for (size_t entry = 0; entry < 256; ++entry) {
    std::vector<float> magnitudes;
    for (size_t i = 0; i < 8; ++i) {
      const float magnitude = values[entry * 8 + i] * 2;
      CHECK((magnitude == 8 || magnitude == 25 || magnitude == 43));
      CHECK(iq2_xxs_grid(static_cast<uint8_t>(entry))[i] == magnitude);
      hash = (hash ^ static_cast<uint64_t>(magnitude)) * 0x100000001b3u;
      magnitudes.push_back(magnitude);
    }
    entries.insert(magnitudes);
  }
  CHECK(hash == 0xbb4ee025b5ac6e8eu);
  CHECK(entries.size() == 256);
}

TEST_CASE("IQ2_XXS signs: the stored seven, and an eighth that makes their number even") {
  for (unsigned bits = 0; bits < 128; ++bits) {
    const uint8_t signs = iq2_xxs_signs(static_cast<uint8_t>(bits));
    CHECK((signs & 127u) == bits);
    CHECK(std::popcount(signs) % 2 == 0);
  }
}

TEST_CASE("FP4 and MXFP4 are the same values in another order") {
  const auto file = test::TensorFile::open(test::golden("formats/weights.safetensors"));
  const Fp4Matrix fp4{192, 256, file.bytes("fp4.weight"), file.bytes("fp4.scale")};
  const WeightView w = fp4.view();
  const auto expected = file.f32("fp4.dequant");
  const int64_t bytes = row_bytes(DType::MXFP4, 256);
  std::vector<uint8_t> repacked(static_cast<size_t>(192 * bytes)), encoded(repacked.size());
  for (int64_t i = 0; i < 192; ++i) {
    auto* out = reinterpret_cast<std::byte*>(repacked.data()) + i * bytes;
    fp4_row_to_mxfp4(w.data + i * w.row_bytes, w.scales + i * w.scale_row_bytes, 256, out);
    encode_mxfp4_row(expected.data() + i * 256, 256,
                     reinterpret_cast<std::byte*>(encoded.data()) + i * bytes);

    std::vector<std::byte> packed(128), scales(8);
    mxfp4_row_to_fp4(out, 256, packed.data(), scales.data());
    CHECK(std::equal(packed.begin(), packed.end(), w.data + i * w.row_bytes));
    CHECK(std::equal(scales.begin(), scales.end(), w.scales + i * w.scale_row_bytes));
  }
  CHECK(decode_blocks<float>(DType::MXFP4, repacked, 192, 256) == expected);
  CHECK(decode_blocks<float>(DType::MXFP4, encoded, 192, 256) == expected);
}

TEST_CASE("encoders at the ends of the range") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const DType dtype : {DType::Q8_0, DType::MXFP4}) {
    CAPTURE(name(dtype));
    std::vector<std::byte> out(64);
    std::vector<float> x(32, nan);
    CHECK_THROWS_WITH_AS(encode_row(dtype, x.data(), 32, out.data()),
                         "column 0: expected a finite value, found nan", Error);
    for (const float tiny : {1e-45f, 1e-38f, 1e-9f}) {  // below the least scale: zeros, or within half a step
      std::vector<float> small(32, tiny);
      encode_row(dtype, small.data(), 32, out.data());
      std::vector<float> back(32);
      decode_ggml_row(dtype, out.data(), 32, back.data());
      CHECK(std::abs(back[5] - tiny) <= tiny);
    }
  }
  std::vector<std::byte> out(64);
  std::vector<float> big(32, 3e38f), back(32);
  CHECK_THROWS_AS(encode_row(DType::Q8_0, big.data(), 32, out.data()), Error);
  encode_row(DType::MXFP4, big.data(), 32, out.data());
  decode_ggml_row(DType::MXFP4, out.data(), 32, back.data());
  CHECK(back[0] == doctest::Approx(3e38).epsilon(0.25));
  CHECK_THROWS_AS(decode_ggml_row(DType::F32, out.data(), 32, back.data()), Error);
}

}  // namespace
}  // namespace fathom

// Layout of golden/formats: tables, quantisers, weights, Hadamard, GGUF blocks, bit for bit; products of
// quantised operands within the bound of its README.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "engine/verify/checks.h"
#include "engine/verify/formats_files.h"
#include "formats/activation_quant.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/half.h"
#include "formats/ue8m0.h"

namespace fathom::verify {
namespace {

namespace fs = std::filesystem;

int64_t differing_bits(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return static_cast<int64_t>(std::max(a.size(), b.size()));
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i)
    count += std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i]);
  return count;
}

// A JSON list of the values of all codes; NaN as a string.
template <class Decode>
void check_table(Checks& checks, const std::string& name, Decode decode) {
  const std::string file = name + ".json";
  if (!is_file(checks.folder() / file)) return;
  checks.used(file);
  const nlohmann::json json =
      in_context(file, [&] { return parse_json(read_text(checks.folder() / file, 1 << 20)); });
  const auto values = JsonField(json, file).elements(256);
  for (size_t code = 0; code < values.size(); ++code) {
    const float found = decode(static_cast<uint8_t>(code));
    const bool equal =
        values[code].is_string()
            ? std::isnan(found)
            : std::bit_cast<uint32_t>(found) ==
                  std::bit_cast<uint32_t>(static_cast<float>(values[code].number(-1e39, 1e39)));
    checks.differing(file + ": values of codes", !equal, 1);
  }
}

// Activation quantisers in every form of act_quant.safetensors.
class Quantisers {
 public:
  Quantisers(Checks& checks, const ExpectedFile& e) : checks_(checks), e_(e) {}

  void run() {
    for (const std::string& name : e_.names()) {
      if (name.starts_with("act") && name.ends_with(".x")) fp8(name.substr(0, name.size() - 2));
      if (name.ends_with("_f32scale.q")) unrounded(name.substr(0, name.size() - 2));
    }
    if (e_.has("fp4.x")) fp4();
    codes();
  }

 private:
  // "act64_f32in" has blocks of 64.
  static int64_t block_of(const std::string& name) { return std::strtoll(name.c_str() + 3, nullptr, 10); }
  int64_t cols_of(const std::string& name, int64_t block) const {
    const auto& shape = e_.shape(name);
    if (shape.size() != 2 || block < 1 || shape[1] % block != 0) {
      bad_input("{}: expected rows of whole blocks of {}", e_.where(name), block);
    }
    return shape[1];
  }
  void compare(const std::string& what, const std::string& name, const std::vector<uint8_t>& found) {
    const auto expected = e_.bytes(name);
    int64_t count = 0;
    if (expected.size() != found.size()) bad_input("{}: expected {} bytes", e_.where(name), found.size());
    for (size_t i = 0; i < found.size(); ++i) count += expected[i] != found[i];
    checks_.differing("act_quant: " + what, count, static_cast<int64_t>(found.size()));
  }
  void compare_values(const std::string& what, const std::string& name, std::vector<float> found) {
    if (!e_.has(name)) return;
    if (e_.dtype(name) == DType::BF16) {
      for (float& v : found) v = round_bf16(v);
    }
    checks_.differing("act_quant: " + what, differing_bits(e_.floats(name), found),
                      static_cast<int64_t>(found.size()));
  }

  void fp8(const std::string& name) {
    const int64_t block = block_of(name), cols = cols_of(name + ".x", block);
    const auto x = e_.floats(name + ".x");
    std::vector<uint8_t> codes(x.size()), scales(x.size() / static_cast<size_t>(block));
    std::vector<float> back(x.size());
    for (int64_t at = 0; at < static_cast<int64_t>(x.size()); at += cols) {
      quantise_fp8(x.data() + at, cols, block, codes.data() + at, scales.data() + at / block);
      dequantise_fp8(codes.data() + at, scales.data() + at / block, cols, block, back.data() + at);
    }
    compare("FP8 codes", name + ".q", codes);
    compare("FP8 scales", name + ".scale", scales);
    compare_values("FP8 values", name + ".dequant_f32", back);
    compare_values("FP8 values", name + ".dequant_bf16", back);
  }

  // actB_f32scale: the input of actB, scales not rounded.
  void unrounded(const std::string& name) {
    const std::string input = name.substr(0, name.find('_')) + ".x";
    const int64_t block = block_of(name), cols = cols_of(input, block);
    const auto x = e_.floats(input);
    std::vector<uint8_t> codes(x.size());
    std::vector<float> scales(x.size() / static_cast<size_t>(block));
    for (int64_t at = 0; at < static_cast<int64_t>(x.size()); at += cols) {
      quantise_fp8(x.data() + at, cols, block, ScaleFormat::f32, codes.data() + at,
                   scales.data() + at / block);
    }
    compare("FP8 codes, unrounded scales", name + ".q", codes);
    compare_values("FP8 scales, unrounded", name + ".scale", scales);
  }

  void fp4() {
    const int64_t cols = cols_of("fp4.x", kFp4Block);
    const auto x = e_.floats("fp4.x");
    std::vector<uint8_t> packed(x.size() / 2), scales(x.size() / kFp4Block);
    std::vector<float> back(x.size());
    for (int64_t at = 0; at < static_cast<int64_t>(x.size()); at += cols) {
      quantise_fp4(x.data() + at, cols, packed.data() + at / 2, scales.data() + at / kFp4Block);
      dequantise_fp4(packed.data() + at / 2, scales.data() + at / kFp4Block, cols, back.data() + at);
    }
    compare("FP4 codes", "fp4.q", packed);
    compare("FP4 scales", "fp4.scale", scales);
    compare_values("FP4 values", "fp4.dequant_f32", back);
    compare_values("FP4 values", "fp4.dequant_bf16", back);
  }

  // encode(value) against a table of codes: of every bf16, or of given values.
  template <class Encode>
  void check_codes(const std::string& name, const std::string& inputs, Encode encode) {
    if (!e_.has(name)) return;
    const auto expected = e_.bytes(name);
    const auto x = inputs.empty() ? std::vector<float>() : e_.floats(inputs);
    int64_t count = 0, of = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!inputs.empty() && i >= x.size()) bad_input("{}: expected {} codes", e_.where(name), x.size());
      const float value = inputs.empty() ? to_float(Bf16{static_cast<uint16_t>(i)}) : x[i];
      if (!std::isfinite(value)) continue;
      count += encode(value) != expected[i];
      ++of;
    }
    checks_.differing("act_quant: codes and scale bytes of single values", count, of);
  }
  void codes() {
    const auto fp8 = [](float amax) { return ceil_to_ue8m0(fp8_scale(amax, ScaleFormat::ue8m0)); };
    check_codes("bf16_to_e4m3", "", float_to_e4m3);
    check_codes("bf16_to_e2m1", "", float_to_e2m1);
    check_codes("f32_to_e4m3.q", "f32_to_e4m3.x", float_to_e4m3);
    check_codes("f32_to_e2m1.q", "f32_to_e2m1.x", float_to_e2m1);
    check_codes("amax_to_e8m0_fp8", "", fp8);
    check_codes("amax_to_e8m0_fp4", "", fp4_scale);
    for (const std::string rule : {"", "_division"}) {
      check_codes("f32_amax_to_e8m0_fp8" + rule, "f32_amax_fp8", fp8);
      check_codes("f32_amax_to_e8m0_fp4" + rule, "f32_amax_fp4", fp4_scale);
    }
  }

  Checks& checks_;
  const ExpectedFile& e_;
};

void check_hadamard(Checks& checks, const ExpectedFile& e) {
  for (const std::string& name : e.names()) {
    if (!name.ends_with(".x") || e.shape(name).size() != 2) continue;
    const std::string p = name.substr(0, name.size() - 1);
    const int64_t rows = e.shape(name)[0], cols = e.shape(name)[1];
    if (cols < 1 || !std::has_single_bit(static_cast<uint64_t>(cols))) {
      bad_input("{}: expected a power of two of columns, found {}", e.where(name), cols);
    }
    std::vector<float> y = e.floats(name);
    hadamard(Mat<float>(y.data(), rows, cols));
    const auto exact = e.doubles(p + "y_f64");
    if (exact.size() != y.size()) bad_input("{}: expected {} values", e.where(p + "y_f64"), y.size());
    double error = 0, largest = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      error = std::max(error, std::abs(static_cast<double>(y[i]) - exact[i]));
      largest = std::max(largest, std::abs(exact[i]));
    }
    checks.worst("hadamard: fp32 error over the largest value", error / largest, 1e-6);
    for (float& v : y) v = round_bf16(v);
    checks.differing("hadamard: bf16 values", differing_bits(e.floats(p + "y_bf16"), y),
                     static_cast<int64_t>(y.size()));
    quantise_dequantise_fp4(Mat<float>(y.data(), rows, cols));
    for (float& v : y) v = round_bf16(v);
    checks.differing("hadamard: values after FP4", differing_bits(e.floats(p + "y_fp4_bf16"), y),
                     static_cast<int64_t>(y.size()));
  }
}

}  // namespace

bool is_formats(const fs::path& folder) {
  for (const char* name : {"act_quant", "weights", "hadamard", "gguf_quants", "fp8_gemm", "fp4_gemm"}) {
    if (is_file(folder / (std::string(name) + ".safetensors"))) return true;
  }
  return is_file(folder / "e4m3.json");
}

void check_formats(Checks& checks) {
  check_table(checks, "e4m3", e4m3_to_float);
  check_table(checks, "e2m1", e2m1_to_float);
  check_table(checks, "e8m0", ue8m0_to_float);
  const auto with = [&](const std::string& name, auto&& check) {
    const std::string file = name + ".safetensors";
    if (!is_file(checks.folder() / file)) return;
    const ExpectedFile expected(checks.folder() / file);
    checks.used(file);
    check(expected);
    checks.unread_tensors(file, expected.unread());
  };
  with("act_quant", [&](const ExpectedFile& e) { Quantisers(checks, e).run(); });
  with("hadamard", [&](const ExpectedFile& e) { check_hadamard(checks, e); });
  with("weights", [&](const ExpectedFile& e) { check_weights(checks, e); });
  with("gguf_quants", [&](const ExpectedFile& e) { check_ggml_blocks(checks, e); });
  with("fp8_gemm", [&](const ExpectedFile& e) { check_products(checks, e, "fp8_gemm"); });
  with("fp4_gemm", [&](const ExpectedFile& e) { check_products(checks, e, "fp4_gemm"); });
}

}  // namespace fathom::verify

// The weights and products of golden/formats.
#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "engine/verify/formats_files.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/half.h"
#include "model/config.h"
#include "model/runtime.h"

namespace fathom::verify {
namespace {

std::pair<int64_t, int64_t> matrix_shape(const ExpectedFile& e, const std::string& name) {
  const auto& shape = e.shape(name);
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) bad_input("{}: expected a matrix", e.where(name));
  return {shape[0], shape[1]};
}

Fp8Matrix fp8_matrix(const ExpectedFile& e, const std::string& weight, const std::string& scale) {
  const auto [rows, cols] = matrix_shape(e, weight);
  Fp8Matrix m{rows, cols, e.dtype(scale), e.bytes(weight), e.bytes(scale)};
  const auto cells = static_cast<size_t>((rows + 127) / 128 * m.scale_cols());
  const bool f32 = m.scale_dtype == DType::F32;
  if ((!f32 && m.scale_dtype != DType::F8_E8M0) || m.scales.size() != cells * (f32 ? 4 : 1) ||
      m.codes.size() != static_cast<size_t>(rows * cols)) {
    bad_input("{}: expected one scale per block of 128 x 128", e.where(scale));
  }
  return m;
}

Fp4Matrix fp4_matrix(const ExpectedFile& e, const std::string& weight, const std::string& scale) {
  const auto [rows, half] = matrix_shape(e, weight);
  Fp4Matrix m{rows, 2 * half, e.bytes(weight), e.bytes(scale)};
  if (m.cols % 32 != 0 || m.scales.size() != static_cast<size_t>(rows * (m.cols / 32)) ||
      m.packed.size() != static_cast<size_t>(rows * half)) {
    bad_input("{}: expected one scale per row and 32 columns", e.where(scale));
  }
  return m;
}

// Values of w against the tensor `name`, bit for bit.
void compare_values(Checks& checks, const ExpectedFile& e, const std::string& quantity, const WeightView& w,
                    const std::string& name) {
  const auto expected = e.floats(name);
  if (expected.size() != static_cast<size_t>(w.rows * w.cols)) {
    bad_input("{}: expected {} values, found {}", e.where(name), w.rows * w.cols, expected.size());
  }
  std::vector<float> row(static_cast<size_t>(w.cols));
  int64_t count = 0;
  for (int64_t i = 0; i < w.rows; ++i) {
    decode_row(w, i, row.data());
    for (int64_t j = 0; j < w.cols; ++j) {
      count += std::bit_cast<uint32_t>(row[static_cast<size_t>(j)]) !=
               std::bit_cast<uint32_t>(expected[static_cast<size_t>(i * w.cols + j)]);
    }
  }
  checks.differing(quantity, count, w.rows * w.cols);
}

int64_t differing_bytes(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) return static_cast<int64_t>(std::max(a.size(), b.size()));
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] != b[i];
  return count;
}

// Distance of two bfloat16 in steps of the code; both zeros are one.
int64_t bf16_steps(float a, float b) {
  const auto order = [](float v) {
    const uint16_t bits = to_bf16(v).bits;
    return (bits & 0x8000) != 0 ? -static_cast<int64_t>(bits & 0x7FFF) : static_cast<int64_t>(bits & 0x7FFF);
  };
  return std::abs(order(a) - order(b));
}

}  // namespace

void check_weights(Checks& checks, const ExpectedFile& e) {
  for (const std::string& name : e.names()) {
    if (name.ends_with(".weight")) {
      const std::string p = name.substr(0, name.size() - 6);
      const std::string scale = e.has(p + "weight_scale_inv") ? p + "weight_scale_inv" : p + "scale";
      if (e.dtype(name) == DType::F8_E4M3) {
        compare_values(checks, e, "weights: FP8 values", fp8_matrix(e, name, scale).view(), p + "dequant");
      } else {
        compare_values(checks, e, "weights: FP4 values", fp4_matrix(e, name, scale).view(), p + "dequant");
      }
    }
    if (name.starts_with("convert") && name.ends_with(".fp4")) {
      const std::string p = name.substr(0, name.size() - 3);
      const Fp8FromFp4 found = fp8_from_fp4(fp4_matrix(e, name, p + "fp4_scale").view());
      checks.differing("weights: FP8 codes and scales made of FP4",
                       differing_bytes(e.bytes(p + "fp8"), found.matrix.codes) +
                           differing_bytes(e.bytes(p + "fp8_scale"), found.matrix.scales),
                       static_cast<int64_t>(found.matrix.codes.size() + found.matrix.scales.size()));
    }
  }
}

void check_ggml_blocks(Checks& checks, const ExpectedFile& e) {
  for (const DType dtype :
       {DType::Q8_0, DType::Q2_K, DType::Q4_K, DType::IQ2_XXS, DType::MXFP4, DType::BF16}) {
    const std::string p = std::string(name(dtype)) + ".";
    if (!e.has(p + "blocks")) continue;
    const std::vector<uint8_t> blocks = e.bytes(p + "blocks");
    const auto [rows, bytes] = matrix_shape(e, p + "blocks");
    WeightView w;
    w.dtype = dtype;
    w.rows = rows;
    w.cols = bytes / block_bytes(dtype) * block_values(dtype);
    w.row_bytes = bytes;
    w.data = reinterpret_cast<const std::byte*>(blocks.data());
    compare_values(checks, e, "gguf_quants: values of " + std::string(name(dtype)), w, p + "dequant");
  }
}

void check_products(Checks& checks, const ExpectedFile& e, const std::string& file) {
  const auto run = [&](const Numerics& numerics, std::vector<float>& x, const WeightView& w) {
    RuntimeOptions options;
    options.target = checks.options().target;
    options.pool.threads = 1;
    options.numerics = numerics;
    Runtime<float> runtime(options);
    const Context<float> ctx = runtime.context(ModelConfig{});
    const int64_t rows = static_cast<int64_t>(x.size()) / w.cols;
    std::vector<float> y(static_cast<size_t>(rows * w.rows));
    ctx.linear(Mat<const float>(x.data(), rows, w.cols), w, Mat<float>(y.data(), rows, w.rows));
    return y;
  };
  for (int64_t k = 0; e.has(fmt::format("{}.x", k)); ++k) {
    const std::string p = fmt::format("{}.", k);
    std::vector<float> x = e.floats(p + "x");
    const bool fp8 = e.dtype(p + "w") == DType::F8_E4M3;
    const Fp8Matrix m8 = fp8 ? fp8_matrix(e, p + "w", p + "w_scale") : Fp8Matrix{};
    const Fp4Matrix m4 = fp8 ? Fp4Matrix{} : fp4_matrix(e, p + "w", p + "w_scale");
    const WeightView w = fp8 ? m8.view() : m4.view();
    const int64_t rows = static_cast<int64_t>(x.size()) / w.cols;
    std::vector<uint8_t> codes(x.size()), scales;
    for (int64_t t = 0; t < rows; ++t) {
      std::vector<uint8_t> row(static_cast<size_t>((w.cols + 127) / 128));
      quantise_fp8(x.data() + t * w.cols, w.cols, kActivationBlock, codes.data() + t * w.cols, row.data());
      scales.insert(scales.end(), row.begin(), row.end());
    }
    checks.differing(
        file + ": codes and scales of activations",
        differing_bytes(e.bytes(p + "a"), codes) + differing_bytes(e.bytes(p + "a_scale"), scales),
        static_cast<int64_t>(codes.size() + scales.size()));

    const auto exact = e.doubles(p + "y_f64"), plain = e.doubles(p + "y_unquantised_activation_f64"),
               size = e.doubles(p + "abs_sum");
    const std::vector<float> bf16 = e.floats(p + "y_bf16"), released = run(Numerics::release(), x, w),
                             found = run(Numerics::exact(), x, w);
    if (exact.size() != released.size() || plain.size() != released.size() ||
        size.size() != released.size() || bf16.size() != released.size()) {
      bad_input("{}: expected {} products", e.where(p + "y_f64"), released.size());
    }
    for (size_t i = 0; i < released.size(); ++i) {
      checks.worst(file + ": release products, error over the sum of magnitudes",
                   std::abs(static_cast<double>(released[i]) - exact[i]) / size[i], 1e-7);
      checks.worst(file + ": release products, steps of bf16",
                   static_cast<double>(bf16_steps(released[i], bf16[i])), 1);
      checks.worst(file + ": exact products, error over the sum of magnitudes",
                   std::abs(static_cast<double>(found[i]) - plain[i]) / size[i], 1e-6);
    }
  }
}

}  // namespace fathom::verify

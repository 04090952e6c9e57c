// Quantised matmuls of the release (tests/golden/formats/README.md): linear on the dequantised activations.

#include "formats/e4m3.h"
#include "formats/ue8m0.h"
#include "tests/kernels/kernel_cases.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

void check_gemm(const std::string& file, DType dtype) {
  const auto golden = test::TensorFile::open(test::golden("formats/" + file + ".safetensors"));
  for (const std::string name : {"0.", "1.", "2."}) {
    const auto codes = golden.bytes(name + "a");
    const auto weight = golden.bytes(name + "w"), scales = golden.bytes(name + "w_scale");
    const auto a_scale = golden.bytes(name + "a_scale");
    const auto expected = golden.f64(name + "y_f64"), bound = golden.f64(name + "abs_sum");
    const int64_t rows = golden.shape(name + "a")[0], cols = golden.shape(name + "a")[1];
    const int64_t outputs = golden.shape(name + "w")[0];
    REQUIRE(static_cast<int64_t>(expected.size()) == rows * outputs);

    std::vector<float> x(codes.size());
    std::vector<Bf16> x_bf16(codes.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const auto k = static_cast<int64_t>(i) % cols, t = static_cast<int64_t>(i) / cols;
      x[i] = e4m3_to_float(codes[i]) *
             ue8m0_to_float(a_scale[static_cast<size_t>(t * ((cols + 127) / 128) + k / 128)]);
      x_bf16[i] = to_bf16(x[i]);
      REQUIRE(to_float(x_bf16[i]) == x[i]);
    }
    WeightView w;
    w.dtype = dtype;
    w.rows = outputs;
    w.cols = cols;
    w.row_bytes = row_bytes(dtype, cols);
    w.data = reinterpret_cast<const std::byte*>(weight.data());
    w.scales = reinterpret_cast<const std::byte*>(scales.data());
    w.scale_layout = dtype == DType::F8_E4M3 ? ScaleLayout::block_128 : ScaleLayout::row_32;
    w.scale_row_bytes = golden.shape(name + "w_scale")[1];

    for (const Target target : available_targets()) {
      CAPTURE(name);
      CAPTURE(fathom::name(target));
      std::vector<float> y(expected.size()), y_bf16(expected.size());
      kernels_for(target).linear(x.data(), rows, cols, w, 0, outputs, y.data(), outputs);
      kernels_for(target).linear_bf16(x_bf16.data(), rows, cols, w, 0, outputs, y_bf16.data(), outputs);
      double worst = 0, worst_bf16 = 0;
      for (size_t i = 0; i < y.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(y[i]) - expected[i]) / bound[i]);
        worst_bf16 = std::max(worst_bf16, std::abs(static_cast<double>(y_bf16[i]) - expected[i]) / bound[i]);
      }
      CHECK(worst <= 1e-7);
      CHECK(worst_bf16 <= 1e-7);  // both operands are exact in bfloat16
    }
  }
}

}  // namespace

TEST_CASE("golden fp8_gemm") { check_gemm("fp8_gemm", DType::F8_E4M3); }
TEST_CASE("golden fp4_gemm") { check_gemm("fp4_gemm", DType::F4_E2M1); }

}  // namespace fathom

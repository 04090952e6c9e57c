// Products of quantised activations with quantised weights in the release's order (architecture.md section
// 7): partial sums per weight block along in (128 FP8, 32 FP4) in fp32, times both scales, added in order in
// fp32.

#include <doctest/doctest.h>

#include <cmath>

#include "formats/activation_quant.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/e2m1.h"
#include "formats/e4m3.h"
#include "formats/ue8m0.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

// One golden case: activations x [m, k] and their FP8 form; weights [n, k] by value and by scale.
struct Product {
  int64_t m, k, n;
  std::vector<float> x;
  std::vector<uint8_t> a, a_scale, w, w_scale;
  bool fp4;

  Product(const test::TensorFile& file, const std::string& name, bool is_fp4)
      : m(file.shape(name + ".x")[0]),
        k(file.shape(name + ".x")[1]),
        n(file.shape(name + ".w")[0]),
        x(file.f32(name + ".x")),
        a(file.bytes(name + ".a")),
        a_scale(file.bytes(name + ".a_scale")),
        w(file.bytes(name + ".w")),
        w_scale(file.bytes(name + ".w_scale")),
        fp4(is_fp4) {}

  float weight_code(int64_t row, int64_t col) const {
    return fp4 ? e2m1_to_float(unpack_e2m1(w.data() + row * k / 2, col))
               : e4m3_to_float(w[static_cast<size_t>(row * k + col)]);
  }
  float weight_scale(int64_t row, int64_t col) const {
    const int64_t at = fp4 ? row * (k / 32) + col / 32 : row / 128 * (k / 128) + col / 128;
    return ue8m0_to_float(w_scale[static_cast<size_t>(at)]);
  }
  float multiply(int64_t token, int64_t row) const {
    const int64_t block = fp4 ? kFp4Block : kFp8WeightBlock;
    float sum = 0;
    for (int64_t first = 0; first < k; first += block) {
      float part = 0;
      for (int64_t j = first; j < first + block; ++j) {
        part += e4m3_to_float(a[static_cast<size_t>(token * k + j)]) * weight_code(row, j);
      }
      sum += part * ue8m0_to_float(a_scale[static_cast<size_t>(token * (k / 128) + first / 128)]) *
             weight_scale(row, first);
    }
    return sum;
  }
};

// Distance of two bfloat16 in steps of the code; zero has one code here.
int bf16_steps(Bf16 a, Bf16 b) {
  const auto order = [](Bf16 v) { return v.bits & 0x8000 ? -(v.bits & 0x7FFF) : v.bits & 0x7FFF; };
  return std::abs(order(a) - order(b));
}

void check_products(const std::string& kind) {
  const auto file = test::TensorFile::open(test::golden("formats/" + kind + "_gemm.safetensors"));
  for (const std::string name : {"0", "1", "2"}) {
    CAPTURE(kind);
    CAPTURE(name);
    const Product p(file, name, kind == "fp4");

    std::vector<uint8_t> codes(p.a.size()), scales(p.a_scale.size());
    for (int64_t t = 0; t < p.m; ++t) {
      quantise_fp8(p.x.data() + t * p.k, p.k, kActivationBlock, codes.data() + t * p.k,
                   scales.data() + t * p.k / 128);
    }
    CHECK(codes == p.a);
    CHECK(scales == p.a_scale);

    const Fp8Matrix fp8{p.n, p.k, DType::F8_E8M0, p.w, p.w_scale};
    const Fp4Matrix fp4{p.n, p.k, p.w, p.w_scale};
    std::vector<double> weights(static_cast<size_t>(p.n * p.k));
    for (int64_t i = 0; i < p.n; ++i)
      decode_row(p.fp4 ? fp4.view() : fp8.view(), i, weights.data() + i * p.k);

    const auto exact = file.f64(name + ".y_f64"),
               unquantised = file.f64(name + ".y_unquantised_activation_f64");
    const auto abs_sum = file.f64(name + ".abs_sum");
    const auto expected_bf16 = file.u16(name + ".y_bf16");
    int bad = 0;
    for (int64_t t = 0; t < p.m; ++t) {
      for (int64_t i = 0; i < p.n; ++i) {
        const auto at = static_cast<size_t>(t * p.n + i);
        const float y = p.multiply(t, i);
        bad += !(std::abs(static_cast<double>(y) - exact[at]) <= 1e-7 * abs_sum[at]);
        bad += bf16_steps(to_bf16(y), Bf16{expected_bf16[at]}) > 1;
        double plain = 0;
        for (int64_t j = 0; j < p.k; ++j) {
          plain += static_cast<double>(p.x[static_cast<size_t>(t * p.k + j)]) *
                   weights[static_cast<size_t>(i * p.k + j)];
        }
        bad += !(std::abs(plain - unquantised[at]) <= 1e-13 * abs_sum[at]);
      }
    }
    CHECK(bad == 0);
  }
}

TEST_CASE("FP8 activations times FP8 weights") { check_products("fp8"); }
TEST_CASE("FP8 activations times FP4 weights") { check_products("fp4"); }

}  // namespace
}  // namespace fathom

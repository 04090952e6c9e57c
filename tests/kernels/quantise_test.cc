// The quantisers have the bits of formats/activation_quant.h, which the golden vectors pin.

#include <limits>

#include "tests/kernels/kernel_cases.h"

namespace fathom {
namespace {

// Rows whose blocks differ in size by powers of two, with values on and beside every rounding border.
std::vector<float> rows_of(test::Values& values, int64_t count) {
  std::vector<float> x;
  for (int64_t i = 0; i < count; ++i) {
    const float size = std::ldexp(1.0f, static_cast<int>((i / 64) % 40) - 30);
    const uint32_t kind = values.below(6);
    float value = kind == 0 ? 0.0f : values.uniform(-1, 1);
    if (kind == 1) value = static_cast<float>(values.below(64)) / 32 - 1;  // ties
    if (kind == 2) value = value * 0x1p-8f;                                // denormals of the format
    x.push_back(value * size);
  }
  return x;
}

}  // namespace

void test::kernel_cases_quantise_fp8(Target target) {
  Values values(22);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t dim : {1, 16, 63, 128, 200}) {
      for (const int64_t block : {64, 128}) {
        for (const bool ue8m0 : {true, false}) {
          CAPTURE(dim);
          CAPTURE(block);
          CAPTURE(ue8m0);
          const int64_t stride = dim + 3;
          const auto x = rows_of(values, rows * stride);
          auto got = x, expected = x;
          kernels_for(target).quantise_fp8(got.data(), rows, stride, dim, block, ue8m0);
          reference_kernels<float>().quantise_fp8(expected.data(), rows, stride, dim, block, ue8m0);
          CHECK(same_bits(got, expected));
        }
      }
    }
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(128, 1.0f);
    x[5] = bad;
    kernels_for(target).quantise_fp8(x.data(), 1, 128, 128, 64, true);
    CHECK(std::isnan(x[0]));
    CHECK(std::isnan(x[63]));
    CHECK(x[64] == 1);
  }
}

void test::kernel_cases_hadamard(Target target) {
  Values values(25);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t dim : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
      CAPTURE(dim);
      const int64_t stride = dim + 3;
      const auto x = values.vector(rows * stride);
      auto got = x, expected = x;
      kernels_for(target).hadamard(got.data(), rows, stride, dim);
      reference_kernels<float>().hadamard(expected.data(), rows, stride, dim);
      CHECK(same_bits(got, expected));
      kernels_for(target).hadamard(got.data(), rows, stride, dim);  // its own inverse
      CHECK(error(got, as<double>(x)) <= 2e-6);
    }
  }
}

void test::kernel_cases_hadamard_fp4(Target target) {
  Values values(23);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t dim : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
      CAPTURE(dim);
      const int64_t stride = dim + 3;
      const auto x = rows_of(values, rows * stride);
      auto got = x, expected = x;
      kernels_for(target).hadamard_fp4(got.data(), rows, stride, dim);
      reference_kernels<float>().hadamard_fp4(expected.data(), rows, stride, dim);
      CHECK(same_bits(got, expected));
    }
  }
  std::vector<float> x(64, 1.0f);
  x[5] = std::numeric_limits<float>::quiet_NaN();
  kernels_for(target).hadamard_fp4(x.data(), 1, 64, 64);
  CHECK(std::isnan(x[0]));
}

void test::kernel_cases_to_bf16(Target target) {
  Values values(24);
  std::vector<float> x = {0.0f, -0.0f, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e-40f, -1e-45f};
  for (const uint32_t bits : {0x7F800001u, 0xFF80FFFFu, 0x7FC00000u, 0x7FFFFFFFu, 0x3F808000u, 0x3F818000u}) {
    x.push_back(std::bit_cast<float>(bits));  // NaNs and ties
  }
  for (int i = 0; i < 3000; ++i) {
    const uint32_t bits =
        uint32_t{values.byte()} << 24 | uint32_t{values.byte()} << 16 | uint32_t{values.byte()} << 8;
    x.push_back(std::bit_cast<float>(bits | values.byte()));
  }
  for (const size_t count : {size_t{0}, size_t{1}, size_t{14}, size_t{16}, x.size()}) {
    std::vector<Bf16> got(count + 1, Bf16{7}), expected(count + 1, Bf16{7});
    kernels_for(target).to_bf16(x.data(), static_cast<int64_t>(count), got.data());
    to_bf16_reference(x.data(), static_cast<int64_t>(count), expected.data());
    CHECK(got == expected);
  }
}

}  // namespace fathom

#pragma once
/// What every kernel's test file gives: the cases of one kernel on one target. all_kernels_test.cc calls them
/// for all kernels and targets by expanding kernel_list.h, so a kernel without cases does not link.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace fathom::test {

#define FATHOM_KERNEL_ROW(name, Type) void kernel_cases_##name(Target target);
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
void kernel_cases_linear_bf16(Target target);
void kernel_cases_linear_dx_bf16(Target target);
void kernel_cases_linear_dw_bf16(Target target);
void kernel_cases_to_bf16(Target target);

/// Seeded values; the same on every machine.
class Values {
 public:
  explicit Values(uint32_t seed) : engine_(seed) {}
  /// Uniform in [low, high), a multiple of 2^-24 of the width.
  float uniform(float low = -1, float high = 1) {
    return low + (high - low) * static_cast<float>(next() >> 8) * 0x1p-24f;
  }
  uint8_t byte() { return static_cast<uint8_t>(next() >> 24); }
  uint32_t below(uint32_t n) { return next() % n; }
  std::vector<float> vector(int64_t count, float low = -1, float high = 1) {
    std::vector<float> v(static_cast<size_t>(count));
    for (float& x : v) x = uniform(low, high);
    return v;
  }

 private:
  uint32_t next() { return static_cast<uint32_t>(engine_()); }
  std::mt19937 engine_;
};

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Largest |a - b| / (1 + |b|), a float result beside its double reference; infinite where one of them is
/// NaN.
inline double error(const std::vector<float>& a, const std::vector<double>& b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]) / (1 + std::abs(b[i]));
    worst = difference >= 0 ? std::max(worst, difference) : INFINITY;
  }
  return worst;
}

/// v as vector<Real>: the same input for the float kernel and its double reference.
template <class Real>
std::vector<Real> as(const std::vector<float>& v) {
  return {v.begin(), v.end()};
}

/// f(table) gives a kernel's output from the same input for either table. The target's must be within
/// `tolerance` (see error()) of the double reference and have the bits of the plain target. Returns it.
template <class F>
std::vector<float> check_kernel(Target target, double tolerance, const F& f) {
  const std::vector<float> got = f(kernels_for(target));
  CHECK(error(got, f(reference_kernels<double>())) <= tolerance);
  CHECK(same_bits(got, f(kernels_for(Target::plain))));
  return got;
}

}  // namespace fathom::test

// swiglu, sqrt_softplus, and with them the exponential and logarithm of simd.h over their whole range.

#include <limits>

#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_swiglu(Target target) {
  Values values(16);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t inter : {1, 16, 37, 64}) {
      for (const float limit : {10.0f, 1.5f, 0.0f, -1.0f}) {
        CAPTURE(inter);
        CAPTURE(limit);
        const auto gate = values.vector(rows * inter, -12, 12), up = values.vector(rows * inter, -12, 12);
        const auto route = values.vector(rows, 0, 1);
        const auto run = [&](bool routed) {
          return check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
            auto act = as<Real>(gate);  // in place
            k.swiglu(act.data(), as<Real>(up).data(), routed ? as<Real>(route).data() : nullptr,
                     static_cast<Real>(limit), rows, inter, act.data());
            return act;
          });
        };
        run(true);
        run(false);
      }
    }
  }
  // A gate far below: exp(-g) is infinite, the result 0 with g's sign; a NaN stays.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> gate = {-100, -200, 1, nan, 100}, up = {1, 1, nan, 1, 1};
  std::vector<float> act(5);
  kernels_for(target).swiglu(gate.data(), up.data(), nullptr, 10, 1, 5, act.data());
  CHECK(std::abs(act[0]) <= 1e-37f);
  CHECK(act[1] == 0);
  CHECK(std::isnan(act[2]));
  CHECK(std::isnan(act[3]));
  CHECK(act[4] == doctest::Approx(10 / (1 + std::exp(-10.0))));
}

void test::kernel_cases_sqrt_softplus(Target target) {
  Values values(17);
  std::vector<float> z = {0,    -0.0f, -15,   -14.999f, -15.001f, -30,   -100,
                          -170, -207,  -1000, 88,       1000,     1e30f, 1e-30f};
  for (int i = 0; i < 4000; ++i) z.push_back(values.uniform(-60, 60));
  for (int i = 0; i < 4000; ++i) z.push_back(values.uniform(-2, 2));
  const auto got = check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {
    std::vector<Real> s(z.size());
    k.sqrt_softplus(as<Real>(z).data(), static_cast<int64_t>(z.size()), s.data());
    return s;
  });
  // Small results are accurate relative to their own size (down to float's smallest normal number).
  double worst = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    const auto v = static_cast<double>(z[i]);
    if (v < -170) continue;
    const double exact = std::sqrt(std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v))));
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - exact) / exact);
  }
  CHECK(worst <= 4e-7);
  for (const int64_t count : {0, 1, 15, 16, 17}) {  // any length gives the same bits
    std::vector<float> s(static_cast<size_t>(count));
    kernels_for(target).sqrt_softplus(z.data(), count, s.data());
    CHECK(same_bits(s, std::vector<float>(got.begin(), got.begin() + count)));
  }
}

void test::kernel_cases_swiglu_backward(Target target) {
  Values values(18);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t inter : {1, 16, 37, 64}) {
      for (const float limit : {10.0f, 1.5f, 0.0f}) {
        CAPTURE(inter);
        CAPTURE(limit);
        const int64_t count = rows * inter;
        const auto gate = values.vector(count, -12, 12), up = values.vector(count, -12, 12);
        const auto d = values.vector(count), route = values.vector(rows, 0, 1);
        for (const bool routed : {true, false}) {
          const auto got = check_kernel(target, 5e-6, [&]<class Real>(const Kernels<Real>& k) {
            std::vector<Real> out(static_cast<size_t>(3 * count + rows));
            Real* act = out.data();
            k.swiglu_backward(as<Real>(gate).data(), as<Real>(up).data(),
                              routed ? as<Real>(route).data() : nullptr, static_cast<Real>(limit),
                              as<Real>(d).data(), rows, inter, act, act + count, act + 2 * count,
                              routed ? act + 3 * count : nullptr);
            return out;
          });
          std::vector<float> act(static_cast<size_t>(count));  // the forward pass's bits
          kernels_for(target).swiglu(gate.data(), up.data(), routed ? route.data() : nullptr, limit, rows,
                                     inter, act.data());
          CHECK(same_bits(act, std::vector<float>(got.begin(), got.begin() + count)));
        }
      }
    }
  }
}

void test::kernel_cases_sqrt_softplus_backward(Target target) {
  Values values(19);
  std::vector<float> z = {0, -0.0f, -15, -14.999f, -15.001f, -30, -100, -170, -207, -1000, 88, 1000};
  for (int i = 0; i < 2000; ++i) z.push_back(values.uniform(-60, 60));
  std::vector<float> s(z.size());
  kernels_for(target).sqrt_softplus(z.data(), static_cast<int64_t>(z.size()), s.data());
  const auto ds = values.vector(static_cast<int64_t>(z.size()));
  const auto got = check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
    auto dz = as<Real>(ds);  // in place
    k.sqrt_softplus_backward(as<Real>(z).data(), as<Real>(s).data(), dz.data(),
                             static_cast<int64_t>(z.size()), dz.data());
    return dz;
  });
  CHECK(got[9] == 0);  // far below: no slope, and no NaN
}

}  // namespace fathom

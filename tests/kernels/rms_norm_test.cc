#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_rms_norm(Target target) {
  Values values(11);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t dim : {1, 5, 16, 31, 64, 257}) {
      CAPTURE(rows);
      CAPTURE(dim);
      const auto x = values.vector(rows * dim, -3, 3), weight = values.vector(dim, 0.5f, 2);
      const auto got = check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
        std::vector<Real> out(static_cast<size_t>(rows * (dim + 1)));
        k.rms_norm(as<Real>(x).data(), as<Real>(weight).data(), Real(1e-6f), rows, dim, out.data(),
                   out.data() + rows * dim);
        return out;
      });
      check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {  // in place, without weight
        auto y = as<Real>(x);
        k.rms_norm(y.data(), nullptr, Real(1e-6f), rows, dim, y.data(), nullptr);
        return y;
      });
      check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {  // the scale alone
        std::vector<Real> inv(static_cast<size_t>(rows));
        k.rms_norm(as<Real>(x).data(), nullptr, Real(1e-6f), rows, dim, nullptr, inv.data());
        return inv;
      });
      if (rows > 0) {  // the last row alone has the same bits
        std::vector<float> alone(static_cast<size_t>(dim));
        kernels_for(target).rms_norm(x.data() + (rows - 1) * dim, weight.data(), 1e-6f, 1, dim, alone.data(),
                                     nullptr);
        const auto last = got.begin() + (rows - 1) * dim;
        CHECK(same_bits(alone, std::vector<float>(last, last + dim)));
      }
    }
  }
}

void test::kernel_cases_rms_norm_backward(Target target) {
  Values values(12);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t dim : {1, 5, 16, 31, 64, 257}) {
      CAPTURE(rows);
      CAPTURE(dim);
      const auto x = values.vector(rows * dim, -3, 3), dy = values.vector(rows * dim);
      const auto weight = values.vector(dim, 0.5f, 2), before = values.vector(rows * dim);
      const auto inv_rms = values.vector(rows, 0.5f, 1);
      for (const bool weighted : {true, false}) {
        check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {  // added, beside the weight's
          const auto w = as<Real>(weight);
          auto dx = as<Real>(before), dweight = as<Real>(weight);
          k.rms_norm_backward(as<Real>(x).data(), weighted ? w.data() : nullptr, as<Real>(inv_rms).data(),
                              as<Real>(dy).data(), rows, dim, dx.data(), dweight.data(), true);
          dx.insert(dx.end(), dweight.begin(), dweight.end());
          return dx;
        });
        check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {  // in place
          const auto w = as<Real>(weight);
          auto dx = as<Real>(dy);
          k.rms_norm_backward(as<Real>(x).data(), weighted ? w.data() : nullptr, as<Real>(inv_rms).data(),
                              dx.data(), rows, dim, dx.data(), nullptr, false);
          return dx;
        });
      }
    }
  }
}

}  // namespace fathom

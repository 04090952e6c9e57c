#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_hc_mix_backward(Target target) {
  Values values(21);
  for (const int64_t rows : {0, 1, 17, 33}) {
    for (const int64_t n : {1, 2, 3, 4, 7, 16}) {
      CAPTURE(rows);
      CAPTURE(n);
      const int64_t width = (2 + n) * n;
      const auto z = values.vector(rows * width, -2, 2), inv_rms = values.vector(rows, 0.3f, 2);
      const auto scale = values.vector(3, 0.5f, 1.5f), base = values.vector(width);
      const auto d = values.vector(rows * width);
      check_kernel(target, 2e-5, [&]<class Real>(const Kernels<Real>& k) {
        std::vector<Real> out(static_cast<size_t>(rows * (width + 1) + 3 + width));
        const auto gradients = as<Real>(d);
        const Real* d_pre = gradients.data();
        const Real* d_post = d_pre + rows * n;
        Real* d_inv_rms = out.data() + rows * width;
        Real* d_scale = d_inv_rms + rows;
        k.hc_mix_backward(as<Real>(z).data(), as<Real>(inv_rms).data(), as<Real>(scale).data(),
                          as<Real>(base).data(), rows, n, 20, Real(1e-6f), d_pre, d_post, d_post + rows * n,
                          out.data(), d_inv_rms, d_scale, d_scale + 3);
        return out;
      });
    }
  }
}

void test::kernel_cases_hc_collapse_backward(Target target) {
  Values values(22);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t n : {1, 2, 4, 16}) {
      for (const int64_t dim : {1, 16, 37, 64}) {
        CAPTURE(n);
        CAPTURE(dim);
        const auto streams = values.vector(rows * n * dim), pre = values.vector(rows * n);
        const auto dx = values.vector(rows * dim), before = values.vector(rows * n * dim);
        check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
          auto d_streams = as<Real>(before);
          std::vector<Real> d_pre(static_cast<size_t>(rows * n));
          k.hc_collapse_backward(as<Real>(streams).data(), as<Real>(pre).data(), as<Real>(dx).data(), rows, n,
                                 dim, d_streams.data(), d_pre.data());
          d_streams.insert(d_streams.end(), d_pre.begin(), d_pre.end());
          return d_streams;
        });
      }
    }
  }
}

void test::kernel_cases_hc_apply_backward(Target target) {
  Values values(23);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t n : {1, 2, 4, 16}) {
      for (const int64_t dim : {1, 16, 37, 64}) {
        CAPTURE(n);
        CAPTURE(dim);
        const auto streams = values.vector(rows * n * dim), y = values.vector(rows * dim);
        const auto post = values.vector(rows * n), comb = values.vector(rows * n * n);
        const auto d = values.vector(rows * n * dim);
        check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {
          auto out = as<Real>(d);
          std::vector<Real> more(static_cast<size_t>(rows * (dim + n + n * n)));
          Real* d_post = more.data() + rows * dim;
          k.hc_apply_backward(as<Real>(streams).data(), as<Real>(y).data(), as<Real>(post).data(),
                              as<Real>(comb).data(), rows, n, dim, out.data(), more.data(), d_post,
                              d_post + rows * n);
          out.insert(out.end(), more.begin(), more.end());
          return out;
        });
      }
    }
  }
}

void test::kernel_cases_add_scaled_rows(Target target) {
  Values values(24);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t dim : {1, 16, 37}) {
      const auto x = values.vector(rows * dim), factor = values.vector(rows), y = values.vector(rows * dim);
      check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
        auto out = as<Real>(y);
        k.add_scaled_rows(as<Real>(x).data(), as<Real>(factor).data(), rows, dim, out.data());
        return out;
      });
    }
  }
}

}  // namespace fathom

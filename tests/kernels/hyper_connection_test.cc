#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_hc_mix(Target target) {
  Values values(13);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t n : {1, 2, 3, 4, 7, 16}) {
      CAPTURE(rows);
      CAPTURE(n);
      const int64_t width = (2 + n) * n;
      const auto z = values.vector(rows * width, -4, 4), inv_rms = values.vector(rows, 0.3f, 2);
      const auto scale = values.vector(3, 0.5f, 2), base = values.vector(width, -2, 2);
      const auto got = check_kernel(target, 3e-6, [&]<class Real>(const Kernels<Real>& k) {
        std::vector<Real> out(static_cast<size_t>(rows * width));
        Real* pre = out.data();
        Real* post = pre + rows * n;
        k.hc_mix(as<Real>(z).data(), as<Real>(inv_rms).data(), as<Real>(scale).data(), as<Real>(base).data(),
                 rows, n, 20, Real(1e-6f), pre, post, post + rows * n);
        return out;
      });
      for (const int64_t t : {int64_t{0}, rows - 1}) {  // a token alone has the same bits
        if (rows == 0) continue;
        const auto at = [&](int64_t from, int64_t count) {
          return std::vector<float>(got.begin() + from, got.begin() + from + count);
        };
        std::vector<float> pre(static_cast<size_t>(n)), post(pre.size()), comb(static_cast<size_t>(n * n));
        kernels_for(target).hc_mix(z.data() + t * width, inv_rms.data() + t, scale.data(), base.data(), 1, n,
                                   20, 1e-6f, pre.data(), post.data(), comb.data());
        CHECK(same_bits(pre, at(t * n, n)));
        CHECK(same_bits(post, at((rows + t) * n, n)));
        CHECK(same_bits(comb, at(2 * rows * n + t * n * n, n * n)));
      }
      // The columns of each mixing matrix add up to 1.
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t j = 0; j < n; ++j) {
          float sum = 0;
          for (int64_t i = 0; i < n; ++i) sum += got[static_cast<size_t>(2 * rows * n + (t * n + i) * n + j)];
          CHECK(std::abs(sum - 1) <= 1e-5f);
        }
      }
    }
  }
}

void test::kernel_cases_hc_collapse(Target target) {
  Values values(14);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t n : {1, 2, 4, 16}) {
      for (const int64_t dim : {1, 16, 37, 64}) {
        CAPTURE(n);
        CAPTURE(dim);
        const auto streams = values.vector(rows * n * dim), pre = values.vector(rows * n);
        check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
          std::vector<Real> x(static_cast<size_t>(rows * dim));
          k.hc_collapse(as<Real>(streams).data(), as<Real>(pre).data(), rows, n, dim, x.data());
          return x;
        });
      }
    }
  }
}

void test::kernel_cases_hc_apply(Target target) {
  Values values(15);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t n : {1, 2, 4, 16}) {
      for (const int64_t dim : {1, 16, 37, 64}) {
        CAPTURE(n);
        CAPTURE(dim);
        const auto streams = values.vector(rows * n * dim), y = values.vector(rows * dim);
        const auto post = values.vector(rows * n), comb = values.vector(rows * n * n);
        check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {
          auto out = as<Real>(streams);
          k.hc_apply(out.data(), as<Real>(y).data(), as<Real>(post).data(), as<Real>(comb).data(), rows, n,
                     dim);
          return out;
        });
      }
    }
  }
}

}  // namespace fathom

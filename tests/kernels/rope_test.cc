#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_rope(Target target) {
  Values values(12);
  for (const int64_t rows : {0, 1, 17}) {
    for (const int64_t pairs : {1, 3, 8, 13, 32}) {
      for (const bool inverse : {false, true}) {
        CAPTURE(rows);
        CAPTURE(pairs);
        CAPTURE(inverse);
        const int64_t heads = 3, head_stride = 2 * pairs + 5, row_stride = heads * head_stride + 2;
        const auto x = values.vector(rows * row_stride + 1, -3, 3);
        std::vector<float> cosine, sine;
        for (int64_t i = 0; i < rows * pairs; ++i) {
          const float angle = values.uniform(0, 6.28f);
          cosine.push_back(std::cos(angle));
          sine.push_back(std::sin(angle));
        }
        // What lies between the slices stays as it is: the reference leaves it.
        const auto turned = check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
          auto y = as<Real>(x);
          k.rope(y.data(), rows, row_stride, heads, head_stride, pairs, as<Real>(cosine).data(),
                 as<Real>(sine).data(), inverse);
          return y;
        });
        // No fused multiply-add: the float reference has the same bits.
        auto plain = x;
        reference_kernels<float>().rope(plain.data(), rows, row_stride, heads, head_stride, pairs,
                                        cosine.data(), sine.data(), inverse);
        CHECK(same_bits(turned, plain));
      }
    }
  }
}

}  // namespace fathom

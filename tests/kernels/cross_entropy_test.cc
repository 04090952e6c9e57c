#include <limits>

#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_softmax_sums(Target target) {
  Values values(25);
  for (const int64_t rows : {0, 1, 5}) {
    for (const int64_t cols : {1, 16, 37, 200}) {
      CAPTURE(cols);
      const int64_t stride = cols + 3;
      const auto logits = values.vector(rows * stride, -30, 30);
      check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {  // in two blocks
        std::vector<Real> out(static_cast<size_t>(2 * rows));
        std::fill_n(out.begin(), rows, -std::numeric_limits<Real>::infinity());
        const auto all = as<Real>(logits);
        const int64_t first = (cols + 1) / 2;
        k.softmax_sums(all.data(), rows, stride, first, out.data(), out.data() + rows);
        k.softmax_sums(all.data() + first, rows, stride, cols - first, out.data(), out.data() + rows);
        return out;
      });
    }
  }
}

void test::kernel_cases_cross_entropy_backward(Target target) {
  Values values(26);
  for (const int64_t rows : {0, 1, 5}) {
    for (const int64_t cols : {1, 16, 37}) {
      CAPTURE(cols);
      const int64_t stride = cols + 3;
      const auto logits = values.vector(rows * stride, -30, 30), factor = values.vector(rows);
      const std::vector<float> max(static_cast<size_t>(rows), 30.0f);
      const auto sum = values.vector(rows, 1, 5);
      std::vector<int64_t> label;
      for (int64_t t = 0; t < rows; ++t) label.push_back(t == 0 ? cols - 1 : t == 1 ? -4 : t == 2 ? cols : 0);
      const auto got = check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
        auto d = as<Real>(logits);
        k.cross_entropy_backward(d.data(), rows, stride, cols, as<Real>(max).data(), as<Real>(sum).data(),
                                 label.data(), as<Real>(factor).data());
        return d;
      });
      bool untouched = true;  // between the rows
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t j = cols; j < stride; ++j) {
          const auto i = static_cast<size_t>(t * stride + j);
          untouched = untouched && got[i] == logits[i];
        }
      }
      CHECK(untouched);
    }
  }
}

}  // namespace fathom

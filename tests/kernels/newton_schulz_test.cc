#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_newton_schulz(Target target) {
  Values values(21);
  const std::pair<int64_t, int64_t> shapes[] = {{1, 1}, {1, 7}, {7, 1}, {5, 3}, {16, 16}, {17, 70}, {67, 19}};
  for (const auto& [rows, cols] : shapes) {
    CAPTURE(rows);
    CAPTURE(cols);
    auto m = values.vector(rows * cols);
    for (const float scale : {1.0f, 1e-30f, 1e30f}) {  // squares outside the range of floats
      CAPTURE(scale);
      std::vector<float> scaled = m;
      for (float& x : scaled) x *= scale;
      check_kernel(target, 2e-5, [&]<class Real>(const Kernels<Real>& k) {
        std::vector<Real> u(m.size()), scratch(static_cast<size_t>(newton_schulz_scratch(rows, cols)));
        k.newton_schulz(as<Real>(scaled).data(), rows, cols, u.data(), scratch.data());
        return u;
      });
    }
    check_kernel(target, 0, [&]<class Real>(const Kernels<Real>& k) {  // zero stays zero, in place
      std::vector<Real> u(m.size()), scratch(static_cast<size_t>(newton_schulz_scratch(rows, cols)));
      k.newton_schulz(u.data(), rows, cols, u.data(), scratch.data());
      return u;
    });
  }
}

}  // namespace fathom

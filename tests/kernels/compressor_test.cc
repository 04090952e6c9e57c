#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_pool_window(Target target) {
  Values values(18);
  for (const int64_t count : {1, 3, 8, 128}) {
    for (const int64_t dim : {1, 16, 37, 128}) {
      CAPTURE(count);
      CAPTURE(dim);
      const auto rows = values.vector(count * dim, -3, 3), gates = values.vector(count * dim, -20, 20);
      check_kernel(target, 1e-6, [&]<class Real>(const Kernels<Real>& k) {
        const auto v = as<Real>(rows), g = as<Real>(gates);
        std::vector<const Real*> row_of, gate_of;
        for (int64_t t = count - 1; t >= 0; --t) {  // any order in memory
          row_of.push_back(v.data() + t * dim);
          gate_of.push_back(g.data() + t * dim);
        }
        std::vector<Real> out(static_cast<size_t>(dim));
        k.pool_window(row_of.data(), gate_of.data(), count, dim, out.data());
        return out;
      });
    }
  }
}

}  // namespace fathom

#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_adamw(Target target) {
  Values values(22);
  for (const int64_t count : {0, 1, 16, 37}) {
    CAPTURE(count);
    const auto p = values.vector(count), g = values.vector(count, -1e-3f, 1e-3f);
    const auto m = values.vector(count, -1e-3f, 1e-3f), v = values.vector(count, 1e-7f, 1e-6f);
    for (const bool fresh : {false, true}) {
      check_kernel(target, 2e-6, [&]<class Real>(const Kernels<Real>& k) {
        const size_t size = static_cast<size_t>(count);
        auto out = as<Real>(p), mean = as<Real>(m), square = as<Real>(v);
        if (fresh) mean.assign(size, 0), square.assign(size, 0);
        AdamwStep<Real> step;
        step.rate = Real(0.02f);
        step.decay = Real(0.1f);
        step.beta1 = Real(0.9f);
        step.beta2 = Real(0.95f);
        step.correction1 = 1 - step.beta1;
        step.correction2 = 1 - step.beta2;
        k.adamw(out.data(), as<Real>(g).data(), mean.data(), square.data(), count, step);
        out.insert(out.end(), mean.begin(), mean.end());
        out.insert(out.end(), square.begin(), square.end());
        return out;
      });
    }
  }
}

}  // namespace fathom

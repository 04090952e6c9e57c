#pragma once
/// One AdamW step over a tensor. Source: architecture.md section 13 (AdamW); Loshchilov and Hutter,
/// "Decoupled weight decay regularization" (ICLR 2019).

#include <cmath>
#include <cstdint>

#include "kernels/target.h"

namespace fathom {

template <class Real>
struct AdamwStep {
  Real rate = 0;   ///< learning rate
  Real decay = 0;  ///< weight decay, times the rate
  Real beta1 = Real(0.9), beta2 = Real(0.95);
  Real eps = Real(1e-20);
  Real correction1 = 1, correction2 = 1;  ///< 1 - beta^t at this tensor's step t = 1, 2, ...
};

/// p *= 1 - rate decay; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= rate (m / correction1) / (sqrt(v / correction2) + eps), elementwise over [0, count).
template <class Real>
using Adamw = void(Real* p, const Real* g, Real* m, Real* v, int64_t count, const AdamwStep<Real>& step);

template <class Real>
void adamw_reference(Real* p, const Real* g, Real* m, Real* v, int64_t count, const AdamwStep<Real>& step) {
  for (int64_t i = 0; i < count; ++i) {
    m[i] = step.beta1 * m[i] + (1 - step.beta1) * g[i];
    v[i] = step.beta2 * v[i] + (1 - step.beta2) * g[i] * g[i];
    const Real move = (m[i] / step.correction1) / (std::sqrt(v[i] / step.correction2) + step.eps);
    p[i] = p[i] * (1 - step.rate * step.decay) - step.rate * move;
  }
}

/// The body for a target; equal bits on all of them.
Adamw<float>* adamw_for(Target target);

}  // namespace fathom

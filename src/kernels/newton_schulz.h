#pragma once
/// Orthogonalisation of Muon's update: hybrid Newton-Schulz, 8 steps that pull every singular value near 1,
/// then 2 that put it there. Source: architecture.md section 13 (Muon).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/target.h"

namespace fathom {

/// One step X <- a X + b (X X') X + c (X X')^2 X.
struct NewtonSchulzStep {
  double a, b, c;
};
/// The coefficients of step i of kNewtonSchulzSteps.
inline constexpr int kNewtonSchulzSteps = 10;
inline constexpr NewtonSchulzStep newton_schulz_step(int i) {
  return i < 8 ? NewtonSchulzStep{3.4445, -4.7750, 2.0315} : NewtonSchulzStep{2, -1.5, 0.5};
}

/// u = U V' of m = U S V', nearly: m over its Frobenius norm, transposed so that rows <= cols, ten steps.
/// A zero matrix gives zero.
///
/// @param m, u    [rows, cols], may be the same
/// @param scratch [newton_schulz_scratch(rows, cols)]
/// Order: every sum of a product runs over its index upwards, one fused multiply-add each, so the bits are
/// the same on every target. Threads share matrices out, not one matrix.
template <class Real>
using NewtonSchulz = void(const Real* m, int64_t rows, int64_t cols, Real* u, Real* scratch);

/// Values of scratch that newton_schulz needs: two matrices, two Gram matrices and
/// a packed panel.
inline int64_t newton_schulz_scratch(int64_t rows, int64_t cols) {
  const int64_t small = std::min(rows, cols), large = std::max(rows, cols);
  return 2 * small * large + 2 * small * small + 64 * large;
}

template <class Real>
void newton_schulz_reference(const Real* m, int64_t rows, int64_t cols, Real* u, Real* /*scratch*/) {
  const int64_t n = std::min(rows, cols), k = std::max(rows, cols);
  const auto size = [](int64_t a, int64_t b) { return static_cast<size_t>(a * b); };
  const auto at = [](auto& v, int64_t i) -> auto& { return v[static_cast<size_t>(i)]; };
  Real sum = 0;
  for (int64_t i = 0; i < rows * cols; ++i) sum += m[i] * m[i];
  std::vector<Real> x(size(n, k)), next(size(n, k)), gram(size(n, n)), mix(size(n, n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      at(x, i * k + j) = sum > 0 ? (rows <= cols ? m[i * cols + j] : m[j * cols + i]) / std::sqrt(sum) : 0;
    }
  }
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const auto [a, b, c] = newton_schulz_step(step);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        Real dot = 0;
        for (int64_t l = 0; l < k; ++l) dot += at(x, i * k + l) * at(x, j * k + l);
        at(gram, i * n + j) = dot;
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        Real dot = 0;
        for (int64_t l = 0; l < n; ++l) dot += at(gram, i * n + l) * at(gram, l * n + j);
        at(mix, i * n + j) = static_cast<Real>(b) * at(gram, i * n + j) + static_cast<Real>(c) * dot;
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < k; ++j) {
        Real dot = 0;
        for (int64_t l = 0; l < n; ++l) dot += at(mix, i * n + l) * at(x, l * k + j);
        at(next, i * k + j) = static_cast<Real>(a) * at(x, i * k + j) + dot;
      }
    }
    std::swap(x, next);
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) (rows <= cols ? u[i * cols + j] : u[j * cols + i]) = at(x, i * k + j);
  }
}

/// The body for a target.
NewtonSchulz<float>* newton_schulz_for(Target target);

}  // namespace fathom

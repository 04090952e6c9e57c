#pragma once
/// The clamped SwiGLU of an expert and the router's affinity. Source: architecture.md section 6.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/target.h"

namespace fathom {

/// act = route * silu(min(gate, limit)) * clamp(up, -limit, limit); limit <= 0 means no clamp.
///
/// @param gate, up, act [rows, inter]; act may equal gate or up
/// @param route [rows], or nullptr for all ones (the shared expert)
template <class Real>
using Swiglu = void(const Real* gate, const Real* up, const Real* route, Real limit, int64_t rows,
                    int64_t inter, Real* act);

/// s = sqrt(softplus(z)), elementwise [count]; for z < -15 exp(z / 2), which is the same without 0/0 in the
/// gradient.
template <class Real>
using SqrtSoftplus = void(const Real* z, int64_t count, Real* s);

template <class Real>
void swiglu_reference(const Real* gate, const Real* up, const Real* route, Real limit, int64_t rows,
                      int64_t inter, Real* act) {
  for (int64_t t = 0; t < rows; ++t) {
    const Real weight = route ? route[t] : Real(1);
    for (int64_t i = 0; i < inter; ++i) {
      Real g = gate[t * inter + i], u = up[t * inter + i];
      if (limit > 0) {
        g = std::min(g, limit);
        u = std::clamp(u, -limit, limit);
      }
      act[t * inter + i] = g / (1 + std::exp(-g)) * u * weight;
    }
  }
}

template <class Real>
void sqrt_softplus_reference(const Real* z, int64_t count, Real* s) {
  for (int64_t i = 0; i < count; ++i) {
    s[i] = z[i] < Real(-15) ? std::exp(z[i] / 2)
                            : std::sqrt(std::max(z[i], Real(0)) + std::log1p(std::exp(-std::abs(z[i]))));
  }
}

/// The bodies for a target.
Swiglu<float>* swiglu_for(Target target);
SqrtSoftplus<float>* sqrt_softplus_for(Target target);

}  // namespace fathom

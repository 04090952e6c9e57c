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

/// Backward of swiglu. A clamped value passes no gradient.
///
/// @param d_act   [rows, inter]
/// @param act     [rows, inter], set to swiglu's result again (the input of w2's gradient)
/// @param d_gate  [rows, inter], d_up likewise, set; may be gate, up, d_act
/// @param d_route [rows], set; or nullptr
/// Order: d_route is summed in 16 lanes, then by a fixed tree.
template <class Real>
using SwigluBackward = void(const Real* gate, const Real* up, const Real* route, Real limit,
                            const Real* d_act, int64_t rows, int64_t inter, Real* act, Real* d_gate,
                            Real* d_up, Real* d_route);

/// dz = ds * d sqrt(softplus(z)) / dz = ds sigmoid(z) / (2 s); s / 2 for z < -15, where the plain form nears
/// 0/0. @param s sqrt_softplus(z); dz may be ds
template <class Real>
using SqrtSoftplusBackward = void(const Real* z, const Real* s, const Real* ds, int64_t count, Real* dz);

template <class Real>
void swiglu_backward_reference(const Real* gate, const Real* up, const Real* route, Real limit,
                               const Real* d_act, int64_t rows, int64_t inter, Real* act, Real* d_gate,
                               Real* d_up, Real* d_route) {
  for (int64_t t = 0; t < rows; ++t) {
    const Real weight = route ? route[t] : Real(1);
    Real sum = 0;
    for (int64_t i = t * inter; i < (t + 1) * inter; ++i) {
      Real g = gate[i], u = up[i];
      const Real d = d_act[i];
      const bool gate_passes = limit <= 0 || g <= limit;
      const bool up_passes = limit <= 0 || (u >= -limit && u <= limit);
      if (limit > 0) {
        g = std::min(g, limit);
        u = std::clamp(u, -limit, limit);
      }
      const Real sigmoid = 1 / (1 + std::exp(-g)), silu = g / (1 + std::exp(-g));
      act[i] = silu * u * weight;
      sum += d * (silu * u);
      d_gate[i] = gate_passes ? d * weight * u * (sigmoid * (1 + g * (1 - sigmoid))) : Real(0);
      d_up[i] = up_passes ? d * weight * silu : Real(0);
    }
    if (d_route) d_route[t] = sum;
  }
}

template <class Real>
void sqrt_softplus_backward_reference(const Real* z, const Real* s, const Real* ds, int64_t count, Real* dz) {
  for (int64_t i = 0; i < count; ++i) {
    const Real slope = z[i] < Real(-15) ? s[i] / 2 : 1 / (1 + std::exp(-z[i])) / (2 * s[i]);
    dz[i] = ds[i] * slope;
  }
}

/// The bodies for a target.
Swiglu<float>* swiglu_for(Target target);
SqrtSoftplus<float>* sqrt_softplus_for(Target target);
SwigluBackward<float>* swiglu_backward_for(Target target);
SqrtSoftplusBackward<float>* sqrt_softplus_backward_for(Target target);

}  // namespace fathom

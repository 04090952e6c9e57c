#pragma once
/// One expert: a SwiGLU with clamps. Source: architecture.md section 6.

#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// What expert_backward() needs of expert_forward(): memory that the caller gives.
template <class Real>
struct ExpertSaved {
  Mat<Real> gate, up;  ///< [rows, inter]: w1 x and w3 x before clamping
};

/// y = w2 (route * silu(min(w1 x, limit)) * clamp(w3 x, -limit, limit)).
/// @param x, y  [rows, D], the tokens routed here in ascending token index
/// @param route [rows] routing weights; null for the shared expert
/// @param saved where to leave what the backward pass needs, or nullptr (inference)
template <class Real>
void expert_forward(const Context<Real>& ctx, const ExpertParams<WeightView>& w, Real limit,
                    Mat<const Real> x, const Real* route, Mat<Real> y,
                    const ExpertSaved<Real>* saved = nullptr);

/// Sets dx [rows, D] and d_route [rows] (if not null), adds to grad.
template <class Real>
void expert_backward(const Context<Real>& ctx, const ExpertParams<WeightView>& w, Real limit,
                     Mat<const Real> x, const Real* route, const ExpertSaved<Real>& saved, Mat<const Real> dy,
                     Mat<Real> dx, Real* d_route, const ExpertParams<Mat<Real>>& grad);

}  // namespace fathom

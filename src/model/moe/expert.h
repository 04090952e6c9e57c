#pragma once
/// One expert: a SwiGLU with clamps. Source: architecture.md section 6.

#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// y = w2 (route * silu(min(w1 x, limit)) * clamp(w3 x, -limit, limit)).
/// @param x, y  [rows, D], the tokens routed here in ascending token index
/// @param route [rows] routing weights; null for the shared expert
template <class Real>
void expert_forward(const Context<Real>& ctx, const ExpertParams<WeightView>& w, Real limit,
                    Mat<const Real> x, const Real* route, Mat<Real> y);

}  // namespace fathom

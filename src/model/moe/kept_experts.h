#pragma once
/// The experts of a training pass: all of them together, phase by phase, with what the way back needs kept.
/// The bits are those of expert_forward() for one expert after the other.

#include "model/moe/moe.h"

namespace fathom {

/// Sets y [rows, D] from saved.routes and saved.groups, and saved.experts and saved.shared on the way.
template <class Real>
void kept_experts_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                          const MoeParams<WeightView>& w, Mat<const Real> x, Mat<Real> y,
                          MoeSaved<Real>& saved);

/// Adds to dx [rows, D] and to the gradients of all experts; sets d_weights [rows * k].
template <class Real>
void kept_experts_backward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                           const MoeParams<WeightView>& w, Mat<const Real> x, const MoeSaved<Real>& saved,
                           Mat<const Real> dy, Mat<Real> dx, Real* d_weights,
                           const MoeParams<Mat<Real>>& grad);

}  // namespace fathom

#pragma once
/// Which experts a token goes to, and with what weight. Source: architecture.md section 6.

#include <vector>

#include "model/batch.h"
#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// Views into the arena of ctx.
template <class Real>
struct Routes {
  int64_t k = 0;
  const int32_t* ids = nullptr;   ///< [rows, k] ascending
  const Real* weights = nullptr;  ///< [rows, k], normalised, times routed_scaling_factor
};

/// What route_backward() needs of route(); views into the arena of ctx.
template <class Real>
struct RouterSaved {
  Mat<Real> z, s;  ///< [rows, E]: W_gate x, and its affinity sqrt(softplus(z))
};

/// @param tokens [rows], read by hash layers
/// @param saved filled for the backward pass, or nullptr (inference)
template <class Real>
Routes<Real> route(const Context<Real>& ctx, const ModelConfig& config, const MoeParams<WeightView>& w,
                   bool hash, const int32_t* tokens, Mat<const Real> x, RouterSaved<Real>* saved = nullptr);

/// Backward of the routing weights (the choice is a constant) and of the sequence balance loss: adds to dx
/// and d_gate.
/// @param d_weights [rows, k]
/// @param documents sequences of the balance loss, which is sum_e f_e P_e of each; null: none
/// @param balance_weight factor of the balance loss's gradient
/// @returns the balance losses of all documents together, each without a factor
template <class Real>
double route_backward(const Context<Real>& ctx, const ModelConfig& config, const MoeParams<WeightView>& w,
                      Mat<const Real> x, const Routes<Real>& routes, const RouterSaved<Real>& saved,
                      const Real* d_weights, const std::vector<Span>* documents, double balance_weight,
                      Mat<Real> dx, Mat<Real> d_gate);

}  // namespace fathom

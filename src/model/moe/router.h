#pragma once
/// Which experts a token goes to, and with what weight. Source: architecture.md section 6.

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

/// @param tokens [rows], read by hash layers
template <class Real>
Routes<Real> route(const Context<Real>& ctx, const ModelConfig& config, const MoeParams<WeightView>& w,
                   bool hash, const int32_t* tokens, Mat<const Real> x);

}  // namespace fathom

#pragma once
/// The mixture-of-experts sublayer: route, group by expert, run, combine. Source: architecture.md section 6.

#include "model/context.h"
#include "model/weights.h"

namespace fathom {

/// y [rows, D] = sum over a token's experts in ascending id, then the shared expert.
/// @param layer  index for a trace; hash whether tid2eid routes
/// @param tokens [rows]
template <class Real>
void moe_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                 const MoeParams<WeightView>& w, int64_t layer, const int32_t* tokens, Mat<const Real> x,
                 Mat<Real> y);

}  // namespace fathom

#pragma once
/// One block: X = mhc(attention)(X), then X = mhc(moe)(X). Source: architecture.md section 2.

#include "model/attention/attention.h"
#include "model/weights.h"

namespace fathom {

/// streams [rows, n*D], in place.
/// @param layer index in the config (draft blocks follow the main layers); tokens [rows] for hash routing
template <class Real>
void block_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                   const BlockParams<WeightView>& w, int64_t layer, LayerSlot slot, const RopeTables& rope,
                   const BatchAngles<Real>& angles, const Batch& batch, const int32_t* tokens,
                   Mat<Real> streams);

}  // namespace fathom

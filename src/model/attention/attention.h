#pragma once
/// The attention sublayer of all three kinds of layer: SWA, CSA, HCA. Source: architecture.md section 3.

#include "model/batch.h"
#include "model/context.h"
#include "model/params.h"
#include "model/rope_table.h"

namespace fathom {

/// @param x [rows, D] normed input; y [rows, D] output
/// Appends the rows' KV, entries and indexer keys to every span's state.
template <class Real>
void attention_forward(const Context<Real>& ctx, const ModelConfig& config,
                       const AttentionParams<WeightView>& w, int64_t layer, LayerSlot slot,
                       const RopeTables& rope, const BatchAngles<Real>& angles, const Batch& batch,
                       Mat<const Real> x, Mat<Real> y);

}  // namespace fathom

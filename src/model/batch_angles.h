#pragma once
/// RoPE angles of a batch's positions. Source: architecture.md, "RoPE angles".

#include "model/batch.h"
#include "model/context.h"
#include "model/rope_table.h"

namespace fathom {

/// @param slot whose positions count: the main layers or a draft block
template <class Real>
BatchAngles<Real> batch_angles(const Context<Real>& ctx, const RopeTables& rope, const Batch& batch,
                               LayerSlot slot);

}  // namespace fathom

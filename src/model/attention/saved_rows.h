#pragma once
/// Keeps for the backward pass what the queries of a batch read: the states go on with other tokens.

#include "model/attention/attention.h"

namespace fathom {

/// Sets start, kv, main_rows, index_rows, entries and index_keys of `saved`. The states stand before the
/// batch, but hold its entries (and keys, if `indexed`).
/// @param kv, main_rows, index_rows of the batch's rows; main_rows and index_rows may be empty
template <class Real>
void save_rows(const Context<Real>& ctx, const ModelConfig& config, const LayerConfig& layer, LayerSlot slot,
               const Batch& batch, const std::byte* kv, Mat<Real> main_rows, Mat<Real> index_rows,
               AttentionSaved<Real>& saved);

}  // namespace fathom

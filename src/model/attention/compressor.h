#pragma once
/// CSA and HCA compressors: windows of m tokens pooled into entries. Source: architecture.md section 4.

#include "model/attention/document_rows.h"
#include "model/attention/kv_grad.h"
#include "model/batch.h"
#include "model/context.h"
#include "model/params.h"
#include "model/rope_table.h"

namespace fathom {

/// Compressor rows of a batch: values wkv x and gates wgate x + ape[t mod m], side by side [rows, 2*c*dim].
/// @param slot whose positions count (a state's layers advance one after the other within a forward pass)
template <class Real>
Mat<Real> compressor_rows(const Context<Real>& ctx, const CompressorParams<WeightView>& w,
                          const LayerConfig& layer, LayerSlot slot, const Batch& batch, Mat<const Real> x);

/// What an entry goes through after pooling, norm and RoPE, before it is stored.
enum class EntryUse { kv, index_key };

/// Completes the windows that end within `span` and stores their entries.
///
/// @param rows  compressor_rows() of the whole batch
/// @param held  compressor row of an earlier position of this sequence
/// @param out   grows by floor((position + count) / m) - floor(position / m) rows
template <class Real>
void close_windows(const Context<Real>& ctx, const ModelConfig& config, const CompressorParams<WeightView>& w,
                   const LayerConfig& layer, const RopeFrequencies& rope, EntryUse use, const Span& span,
                   Mat<const Real> rows, const LayerKv& kv, PagedRows& out);

/// Backward of both. A document's trailing tokens, which complete no window, get no gradient. The quantisers
/// of `use` pass the gradient as it is.
///
/// @param x        [rows, D] as in the forward pass
/// @param rows     [pooled_before + rows, 2*c*dim] compressor rows
/// @param dentries [entries, dim] gradient of the entries as stored; those of this batch are overwritten
/// @param dx       [rows, D], added to; without data, x is a constant
/// @param carried  what later chunks left for these compressor rows (kv_grad.h), or nullptr
template <class Real>
void compressor_backward(const Context<Real>& ctx, const ModelConfig& config,
                         const CompressorParams<WeightView>& w, const LayerConfig& layer,
                         const RopeFrequencies& rope, EntryUse use, const BatchRows& batch, Mat<const Real> x,
                         Mat<const Real> rows, Mat<Real> dentries, Mat<Real> dx,
                         const CompressorParams<Mat<Real>>& grad, std::vector<Real>* carried);

}  // namespace fathom

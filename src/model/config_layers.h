#pragma once
/// How config.json spells the kinds of layers. Source: architecture.md section 1, "Layer kind".

#include "model/config.h"

namespace fathom {

/// A value of layer_types and a key of compress_rates.
constexpr const char* type_name(LayerKind kind) {
  return kind == LayerKind::swa   ? "sliding_attention"
         : kind == LayerKind::csa ? "compressed_sparse_attention"
                                  : "heavily_compressed_attention";
}

/// What compress_ratios alone says.
constexpr LayerKind kind_of_ratio(int64_t ratio) {
  return ratio == 0 ? LayerKind::swa : ratio == 4 ? LayerKind::csa : LayerKind::hca;
}

}  // namespace fathom

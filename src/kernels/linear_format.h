#pragma once
/// Which fast decoder of linear a weight takes.

#include "base/tensor.h"

namespace fathom {

enum class LinearFormat : uint8_t { f32, bf16, f16, fp8, fp4, other };

/// `other` goes through formats/decode.h.
inline LinearFormat linear_format(const WeightView& w) {
  switch (w.dtype) {
    case DType::F32:
      return LinearFormat::f32;
    case DType::BF16:
      return LinearFormat::bf16;
    case DType::F16:
      return LinearFormat::f16;
    case DType::F8_E4M3:
      return w.scale_layout == ScaleLayout::row_32 ? LinearFormat::other : LinearFormat::fp8;
    case DType::F4_E2M1:
      return w.scale_layout == ScaleLayout::block_128 || w.cols % 32 != 0 ? LinearFormat::other
                                                                          : LinearFormat::fp4;
    default:
      return LinearFormat::other;
  }
}

}  // namespace fathom

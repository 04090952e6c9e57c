#pragma once
/// Rotary position embedding on interleaved pairs. Source: architecture.md section 3 (RoPE).

#include <cstdint>

#include "kernels/target.h"

namespace fathom {

/// Rotates, in place, dims (2i, 2i+1) of each head's rotary slice by the angle whose cosine and sine are
/// given.
///
/// @param x       first rotary element of row 0, head 0; rows row_stride apart, heads head_stride apart
/// @param pairs   r / 2
/// @param cos,sin [rows, pairs]
/// @param inverse rotates by the negative angle (the conjugate)
/// Products are rounded one by one (no fused multiply-add): the same bits on every target.
template <class Real>
using Rope = void(Real* x, int64_t rows, int64_t row_stride, int64_t heads, int64_t head_stride,
                  int64_t pairs, const Real* cos, const Real* sin, bool inverse);

template <class Real>
void rope_reference(Real* x, int64_t rows, int64_t row_stride, int64_t heads, int64_t head_stride,
                    int64_t pairs, const Real* cos, const Real* sin, bool inverse) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      Real* v = x + t * row_stride + h * head_stride;
      for (int64_t i = 0; i < pairs; ++i) {
        const Real c = cos[t * pairs + i];
        const Real s = inverse ? -sin[t * pairs + i] : sin[t * pairs + i];
        const Real a = v[2 * i], b = v[2 * i + 1];
        v[2 * i] = a * c - b * s;
        v[2 * i + 1] = a * s + b * c;
      }
    }
  }
}

/// The body for a target.
Rope<float>* rope_for(Target target);

}  // namespace fathom

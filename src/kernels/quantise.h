#pragma once
/// The release's activation quantisers as quantise-dequantise in place. Source: architecture.md section 7.

#include <cstdint>

#include "formats/half.h"
#include "kernels/target.h"

namespace fathom {

/// Each block of `block` elements along a row goes through FP8 E4M3 and back; the last block may be short.
///
/// @param x      [rows, dim], rows stride apart
/// @param ue8m0  scale 2^ceil(log2(amax/448)) if true, else amax/448
template <class Real>
using QuantiseFp8 = void(Real* x, int64_t rows, int64_t stride, int64_t dim, int64_t block, bool ue8m0);

/// Sylvester Hadamard rotation times dim^-0.5 (dim a power of two), then FP4 E2M1 with UE8M0 scales in blocks
/// of 32 and back: the indexer's queries and keys.
template <class Real>
using HadamardFp4 = void(Real* x, int64_t rows, int64_t stride, int64_t dim);

/// The rotation alone. It is its own inverse and transpose: the way of the gradient back through
/// hadamard_fp4, whose rounding passes it unchanged.
template <class Real>
using Hadamard = void(Real* x, int64_t rows, int64_t stride, int64_t dim);

/// fp32 to bf16, [count], nearest, ties to even.
using ToBf16 = void(const float* x, int64_t count, Bf16* y);

template <class Real>
void quantise_fp8_reference(Real* x, int64_t rows, int64_t stride, int64_t dim, int64_t block, bool ue8m0);
template <class Real>
void hadamard_fp4_reference(Real* x, int64_t rows, int64_t stride, int64_t dim);
template <class Real>
void hadamard_reference(Real* x, int64_t rows, int64_t stride, int64_t dim);
void to_bf16_reference(const float* x, int64_t count, Bf16* y);

/// The bodies for a target.
QuantiseFp8<float>* quantise_fp8_for(Target target);
HadamardFp4<float>* hadamard_fp4_for(Target target);
Hadamard<float>* hadamard_for(Target target);
ToBf16* to_bf16_for(Target target);

}  // namespace fathom

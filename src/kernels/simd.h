// The SIMD layer of the kernels, compiled once per target by foreach_target.h: F32x16, sixteen floats with
// the same results bit for bit on every target. Every operation is IEEE's, fma is one rounding, fold() adds
// by one fixed tree, and exp16 and log1p16 are made of these, so a kernel written with them has equal bits
// everywhere. max(a, b) is a > b ? a : b and min(a, b) is a < b ? a : b: a NaN in b stays.

// NOLINTBEGIN(misc-definitions-in-headers)
#if FATHOM_LEVEL == 0
#include "kernels/plain.simd.h"
#elif FATHOM_LEVEL == 1
#include "kernels/avx2.simd.h"
#else
#include "kernels/avx512.simd.h"
#endif

namespace fathom::FATHOM_TARGET {

struct Full {};  // the count of a step that has all 16 lanes

FATHOM_INLINE F32x16 load(const void* p, Full) { return load(p); }
FATHOM_INLINE F32x16 load_bf16(const void* p, Full) { return load_bf16(p); }
FATHOM_INLINE F32x16 load_pairs(const float* p, Full) { return load_pairs(p); }
FATHOM_INLINE void store(float* p, Full, F32x16 v) { store(p, v); }

FATHOM_INLINE void store_low(uint16_t* p, Full, U32x16 v) { store_low(p, v); }

// Calls f(first index, n) for steps of 16 elements: n is Full, or the count of the last, shorter step.
template <class F>
FATHOM_INLINE void for_lanes(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) f(i, Full{});
  if (i < count) f(i, count - i);
}

// e^x to about 1 ulp; 0 below -104, infinite above 88.73, NaN stays.
FATHOM_INLINE F32x16 exp16(F32x16 x) {
  constexpr float kRound = 0x1.8p23f;  // adding it leaves the rounded integer in the low bits
  x = min(set16(89.0f), max(set16(-104.0f), x));
  const F32x16 shifted = fma(x, set16(1.44269504f), set16(kRound));
  const F32x16 n = shifted - set16(kRound);
  F32x16 r = fma(n, set16(-0.693359375f), x);  // ln 2 in two parts
  r = fma(n, set16(2.12194440e-4f), r);
  F32x16 p = set16(1.9875691500e-4f);  // minimax on [-ln2/2, ln2/2] (Cephes, expf)
  p = fma(p, r, set16(1.3981999507e-3f));
  p = fma(p, r, set16(8.3334519073e-3f));
  p = fma(p, r, set16(4.1665795894e-2f));
  p = fma(p, r, set16(1.6666665459e-1f));
  p = fma(p, r, set16(5.0000001201e-1f));
  const F32x16 y = fma(p, r * r, r) + set16(1.0f);
  // 2^n in two factors, as n may lie beyond the exponents of normal floats: n + 256 = half + rest.
  const U32x16 k = as_bits(shifted) + uset16(256u - std::bit_cast<uint32_t>(kRound));
  const U32x16 half = shift_right<1>(k);
  const U32x16 rest = k - half;
  const U32x16 one = uset16(1);
  return y * as_float(shift_left<23>(half - one)) * as_float(shift_left<23>(rest - one));
}

// log(1 + u) for u in [0, 1], relative error a few ulp: 2 artanh(u / (2 + u)).
FATHOM_INLINE F32x16 log1p16(F32x16 u) {
  const F32x16 s = u / (u + set16(2.0f));
  const F32x16 q = s * s;  // at most 1/9
  F32x16 p = set16(1.0f / 17);
  p = fma(p, q, set16(1.0f / 15));
  p = fma(p, q, set16(1.0f / 13));
  p = fma(p, q, set16(1.0f / 11));
  p = fma(p, q, set16(1.0f / 9));
  p = fma(p, q, set16(1.0f / 7));
  p = fma(p, q, set16(1.0f / 5));
  p = fma(p, q, set16(1.0f / 3));
  const F32x16 twice = s + s;
  return fma(twice * q, p, twice);
}

FATHOM_INLINE F32x16 sigmoid16(F32x16 x) { return set16(1.0f) / (set16(1.0f) + exp16(negate(x))); }

FATHOM_INLINE F32x16 abs16(F32x16 x) { return as_float(as_bits(x) & uset16(0x7FFFFFFFu)); }

}  // namespace fathom::FATHOM_TARGET
// NOLINTEND(misc-definitions-in-headers)

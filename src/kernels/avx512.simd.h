// F32x16 of AVX-512: one register. See simd.h for what every target promises.

namespace fathom::FATHOM_TARGET {

struct F32x16 {
  __m512 v;
};
struct U32x16 {
  __m512i v;
};
struct Mask16 {
  __mmask16 m;
};

FATHOM_INLINE __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

FATHOM_INLINE F32x16 zero16() { return {_mm512_setzero_ps()}; }
FATHOM_INLINE F32x16 set16(float x) { return {_mm512_set1_ps(x)}; }
FATHOM_INLINE U32x16 uset16(uint32_t x) { return {_mm512_set1_epi32(static_cast<int>(x))}; }
FATHOM_INLINE F32x16 load(const void* p) { return {_mm512_loadu_ps(p)}; }
FATHOM_INLINE F32x16 load(const void* p, int64_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
FATHOM_INLINE void store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
FATHOM_INLINE void store(float* p, int64_t n, F32x16 a) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
FATHOM_INLINE F32x16 widen_bf16(__m256i bits) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
FATHOM_INLINE F32x16 load_bf16(const void* p) {
  return widen_bf16(_mm256_loadu_si256(static_cast<const __m256i_u*>(p)));
}
FATHOM_INLINE F32x16 load_bf16(const void* p, int64_t n) {
  return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

FATHOM_INLINE F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
FATHOM_INLINE F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 sqrt16(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }

FATHOM_INLINE U32x16 as_bits(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
FATHOM_INLINE F32x16 as_float(U32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
FATHOM_INLINE U32x16 operator+(U32x16 a, U32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
FATHOM_INLINE U32x16 operator-(U32x16 a, U32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
FATHOM_INLINE U32x16 operator&(U32x16 a, U32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
FATHOM_INLINE U32x16 operator|(U32x16 a, U32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
FATHOM_INLINE U32x16 operator^(U32x16 a, U32x16 b) { return {_mm512_xor_si512(a.v, b.v)}; }
FATHOM_INLINE U32x16 max(U32x16 a, U32x16 b) { return {_mm512_max_epu32(a.v, b.v)}; }
template <int N>
FATHOM_INLINE U32x16 shift_left(U32x16 a) {
  return {_mm512_slli_epi32(a.v, N)};
}
template <int N>
FATHOM_INLINE U32x16 shift_right(U32x16 a) {
  return {_mm512_srli_epi32(a.v, N)};
}
FATHOM_INLINE F32x16 negate(F32x16 a) { return as_float(as_bits(a) ^ uset16(0x80000000u)); }

FATHOM_INLINE Mask16 less(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
FATHOM_INLINE Mask16 less_equal(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
FATHOM_INLINE F32x16 select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm512_mask_blend_ps(m.m, no.v, yes.v)};
}
FATHOM_INLINE uint32_t lane_bits(Mask16 m) { return m.m; }

// The low halves of the lanes as 16-bit numbers; n lanes.
FATHOM_INLINE void store_low(uint16_t* p, U32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p), _mm512_cvtepi32_epi16(a.v));
}
FATHOM_INLINE void store_low(uint16_t* p, int64_t n, U32x16 a) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), _mm512_cvtepi32_epi16(a.v));
}

// Lane i gets lane i ^ N.
template <int N>
FATHOM_INLINE F32x16 swap(F32x16 a) {
  if constexpr (N == 1) return {_mm512_permute_ps(a.v, 0xB1)};
  if constexpr (N == 2) return {_mm512_permute_ps(a.v, 0x4E)};
  if constexpr (N == 4) return {_mm512_shuffle_f32x4(a.v, a.v, 0xB1)};
  if constexpr (N == 8) return {_mm512_shuffle_f32x4(a.v, a.v, 0x4E)};
}

// Lanes 2i and 2i + 1 get p[i]; n lanes.
FATHOM_INLINE F32x16 each_twice(__m256 a) {
  const __m512i from = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  return {_mm512_permutexvar_ps(from, _mm512_castps256_ps512(a))};
}
FATHOM_INLINE F32x16 load_pairs(const float* p) { return each_twice(_mm256_loadu_ps(p)); }
FATHOM_INLINE F32x16 load_pairs(const float* p, int64_t n) {
  return each_twice(_mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << n / 2) - 1), p));
}

// The tree of every sum: lane i with i + 8, then i + 4, i + 2, i + 1.
FATHOM_INLINE float fold(F32x16 a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
// The same tree for four vectors at once.
FATHOM_INLINE void fold4(F32x16 a, F32x16 b, F32x16 c, F32x16 d, float* out) {
  const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a.v, b.v, 0x44), _mm512_shuffle_f32x4(a.v, b.v, 0xEE));
  const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c.v, d.v, 0x44), _mm512_shuffle_f32x4(c.v, d.v, 0xEE));
  __m512 s = _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD));
  s = _mm512_add_ps(s, _mm512_permute_ps(s, 0x4E));
  s = _mm512_add_ps(s, _mm512_permute_ps(s, 0xB1));
  _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, s)));
}
FATHOM_INLINE float fold_max(F32x16 a) { return _mm512_reduce_max_ps(a.v); }
FATHOM_INLINE uint32_t fold_max(U32x16 a) { return _mm512_reduce_max_epu32(a.v); }

}  // namespace fathom::FATHOM_TARGET

// F32x16 of AVX2: two registers. See simd.h for what every target promises.

namespace fathom::FATHOM_TARGET {

struct F32x16 {
  __m256 lo, hi;
};
struct U32x16 {
  __m256i lo, hi;
};
struct Mask16 {
  __m256 lo, hi;
};

FATHOM_INLINE __m256i first_lanes8(int64_t n) {  // n <= 0: none, n >= 8: all
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

FATHOM_INLINE F32x16 zero16() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
FATHOM_INLINE F32x16 set16(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
FATHOM_INLINE U32x16 uset16(uint32_t x) {
  const __m256i v = _mm256_set1_epi32(static_cast<int>(x));
  return {v, v};
}
FATHOM_INLINE F32x16 load(const void* p) {
  const auto* f = static_cast<const float*>(p);
  return {_mm256_loadu_ps(f), _mm256_loadu_ps(f + 8)};
}
FATHOM_INLINE F32x16 load(const void* p, int64_t n) {
  const auto* f = static_cast<const float*>(p);
  return {_mm256_maskload_ps(f, first_lanes8(n)), _mm256_maskload_ps(f + 8, first_lanes8(n - 8))};
}
FATHOM_INLINE void store(float* p, F32x16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
FATHOM_INLINE void store(float* p, int64_t n, F32x16 a) {
  _mm256_maskstore_ps(p, first_lanes8(n), a.lo);
  _mm256_maskstore_ps(p + 8, first_lanes8(n - 8), a.hi);
}
FATHOM_INLINE __m256 widen_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
FATHOM_INLINE F32x16 load_bf16(const void* p) {
  const auto* h = static_cast<const __m128i_u*>(p);
  return {widen_bf16(_mm_loadu_si128(h)), widen_bf16(_mm_loadu_si128(h + 1))};
}
FATHOM_INLINE F32x16 load_bf16(const void* p, int64_t n) {
  uint16_t part[16] = {};
  std::memcpy(part, p, static_cast<size_t>(n) * 2);
  return load_bf16(part);
}

#define FATHOM_BOTH(name, Type, op) \
  FATHOM_INLINE Type name(Type a, Type b) { return {_mm256_##op(a.lo, b.lo), _mm256_##op(a.hi, b.hi)}; }
FATHOM_BOTH(operator+, F32x16, add_ps)
FATHOM_BOTH(operator-, F32x16, sub_ps)
FATHOM_BOTH(operator*, F32x16, mul_ps)
FATHOM_BOTH(operator/, F32x16, div_ps)
FATHOM_BOTH(min, F32x16, min_ps)
FATHOM_BOTH(max, F32x16, max_ps)
FATHOM_BOTH(max, U32x16, max_epu32)
FATHOM_BOTH(operator+, U32x16, add_epi32)
FATHOM_BOTH(operator-, U32x16, sub_epi32)
FATHOM_BOTH(operator&, U32x16, and_si256)
FATHOM_BOTH(operator|, U32x16, or_si256)
FATHOM_BOTH(operator^, U32x16, xor_si256)
#undef FATHOM_BOTH
FATHOM_INLINE F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
FATHOM_INLINE F32x16 sqrt16(F32x16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }

FATHOM_INLINE U32x16 as_bits(F32x16 a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
FATHOM_INLINE F32x16 as_float(U32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
template <int N>
FATHOM_INLINE U32x16 shift_left(U32x16 a) {
  return {_mm256_slli_epi32(a.lo, N), _mm256_slli_epi32(a.hi, N)};
}
template <int N>
FATHOM_INLINE U32x16 shift_right(U32x16 a) {
  return {_mm256_srli_epi32(a.lo, N), _mm256_srli_epi32(a.hi, N)};
}
FATHOM_INLINE F32x16 negate(F32x16 a) { return as_float(as_bits(a) ^ uset16(0x80000000u)); }

FATHOM_INLINE Mask16 less(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
FATHOM_INLINE Mask16 less_equal(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LE_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LE_OQ)};
}
FATHOM_INLINE F32x16 select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
FATHOM_INLINE uint32_t lane_bits(Mask16 m) {
  return static_cast<uint32_t>(_mm256_movemask_ps(m.lo)) | static_cast<uint32_t>(_mm256_movemask_ps(m.hi))
                                                               << 8;
}

// The low halves of the lanes as 16-bit numbers; n lanes.
FATHOM_INLINE void store_low(uint16_t* p, U32x16 a) {
  const __m256i mask = _mm256_set1_epi32(0xFFFF);  // the pack works within 128 bits and saturates
  const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(a.lo, mask), _mm256_and_si256(a.hi, mask));
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}
FATHOM_INLINE void store_low(uint16_t* p, int64_t n, U32x16 a) {
  uint16_t all[16];
  store_low(all, a);
  std::memcpy(p, all, static_cast<size_t>(n) * 2);
}

// Lane i gets lane i ^ N.
template <int N>
FATHOM_INLINE F32x16 swap(F32x16 a) {
  if constexpr (N == 1) return {_mm256_permute_ps(a.lo, 0xB1), _mm256_permute_ps(a.hi, 0xB1)};
  if constexpr (N == 2) return {_mm256_permute_ps(a.lo, 0x4E), _mm256_permute_ps(a.hi, 0x4E)};
  if constexpr (N == 4) return {_mm256_permute2f128_ps(a.lo, a.lo, 1), _mm256_permute2f128_ps(a.hi, a.hi, 1)};
  if constexpr (N == 8) return {a.hi, a.lo};
}

// Lanes 2i and 2i + 1 get p[i]; n lanes.
FATHOM_INLINE F32x16 load_pairs(const float* p) {
  const __m256 a = _mm256_loadu_ps(p);
  return {_mm256_permutevar8x32_ps(a, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)),
          _mm256_permutevar8x32_ps(a, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7))};
}
FATHOM_INLINE F32x16 load_pairs(const float* p, int64_t n) {
  float part[8] = {};
  std::memcpy(part, p, static_cast<size_t>(n / 2) * 4);
  return load_pairs(part);
}

// The tree of every sum: lane i with i + 8, then i + 4, i + 2, i + 1.
FATHOM_INLINE float fold8(__m256 s8) {
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
FATHOM_INLINE float fold(F32x16 a) { return fold8(_mm256_add_ps(a.lo, a.hi)); }
// The same tree for four vectors at once.
FATHOM_INLINE void fold4x8(__m256 a, __m256 b, __m256 c, __m256 d, float* out) {
  const __m256 ab = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  const __m256 cd = _mm256_add_ps(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
  // Lanes [a0+a2, a1+a3, c0+c2, c1+c3 | b.., d..]
  const __m256 s2 = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
  const __m256 s1 = _mm256_add_ps(s2, _mm256_movehdup_ps(s2));  // a . c . | b . d .
  const __m128 ac = _mm256_castps256_ps128(s1), bd = _mm256_extractf128_ps(s1, 1);
  _mm_storeu_ps(out, _mm_unpacklo_ps(_mm_shuffle_ps(ac, ac, 0x08), _mm_shuffle_ps(bd, bd, 0x08)));
}
FATHOM_INLINE void fold4(F32x16 a, F32x16 b, F32x16 c, F32x16 d, float* out) {
  fold4x8(_mm256_add_ps(a.lo, a.hi), _mm256_add_ps(b.lo, b.hi), _mm256_add_ps(c.lo, c.hi),
          _mm256_add_ps(d.lo, d.hi), out);
}
FATHOM_INLINE float fold_max(F32x16 a) {
  const __m256 m8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 m4 = _mm_max_ps(_mm256_castps256_ps128(m8), _mm256_extractf128_ps(m8, 1));
  const __m128 m2 = _mm_max_ps(m4, _mm_movehl_ps(m4, m4));
  return _mm_cvtss_f32(_mm_max_ss(m2, _mm_movehdup_ps(m2)));
}

FATHOM_INLINE uint32_t fold_max(U32x16 a) {
  uint32_t x[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(x), _mm256_max_epu32(a.lo, a.hi));
  return *std::max_element(x, x + 8);
}

}  // namespace fathom::FATHOM_TARGET

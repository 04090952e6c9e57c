// The vector of linear: the target's own width, so that one register is one accumulator. Sums of linear may
// differ between targets, but not with the shape of the work (design: hard point 4). The plain target
// multiplies, then adds: an exact fma without hardware is 20 times slower.

namespace fathom::FATHOM_TARGET {

inline constexpr int64_t kPanel = 32;  // rows of weights that share the reading of x

#if FATHOM_LEVEL == 0
struct V {
  V4 a, b;
};
inline constexpr int64_t kLanes = 8;
inline constexpr int kTileRows = 2;  // registers: kTileRows x 4 accumulators, kTileRows of x, one of w

FATHOM_INLINE V vzero() { return {V4{}, V4{}}; }
FATHOM_INLINE V vset(float x) { return {V4{x, x, x, x}, V4{x, x, x, x}}; }
FATHOM_INLINE V vadd(V a, V b) { return {a.a + b.a, a.b + b.b}; }
FATHOM_INLINE V vload(const void* p) {
  V v;
  std::memcpy(&v, p, 32);
  return v;
}
FATHOM_INLINE V vload(const void* p, int64_t n) {
  float part[8] = {};
  std::memcpy(part, p, static_cast<size_t>(n) * 4);
  return vload(part);
}
FATHOM_INLINE void vstore(float* p, V v) { std::memcpy(p, &v, 32); }
FATHOM_INLINE V vload_bf16(const void* p, int64_t n) {
  const F32x16 v = load_bf16(p, n);
  return {v.v[0], v.v[1]};
}
FATHOM_INLINE V vload_bf16(const void* p) { return vload_bf16(p, 8); }
FATHOM_INLINE V vfma(V a, V b, V c) { return {a.a * b.a + c.a, a.b * b.b + c.b}; }
FATHOM_INLINE float vfold(V v) {
  const V4 s4 = v.a + v.b;
  return (s4[0] + s4[2]) + (s4[1] + s4[3]);
}
FATHOM_INLINE void vfold4(V a, V b, V c, V d, float* out) {
  out[0] = vfold(a), out[1] = vfold(b), out[2] = vfold(c), out[3] = vfold(d);
}

#elif FATHOM_LEVEL == 1
using V = __m256;
inline constexpr int64_t kLanes = 8;
inline constexpr int kTileRows = 3;

FATHOM_INLINE V vzero() { return _mm256_setzero_ps(); }
FATHOM_INLINE V vset(float x) { return _mm256_set1_ps(x); }
FATHOM_INLINE V vadd(V a, V b) { return _mm256_add_ps(a, b); }
FATHOM_INLINE V vload(const void* p) { return _mm256_loadu_ps(static_cast<const float*>(p)); }
FATHOM_INLINE V vload(const void* p, int64_t n) {
  return _mm256_maskload_ps(static_cast<const float*>(p), first_lanes8(n));
}
FATHOM_INLINE void vstore(float* p, V v) { _mm256_storeu_ps(p, v); }
FATHOM_INLINE V vload_bf16(const void* p) {
  return widen_bf16(_mm_loadu_si128(static_cast<const __m128i_u*>(p)));
}
FATHOM_INLINE V vload_bf16(const void* p, int64_t n) {
  uint16_t part[8] = {};
  std::memcpy(part, p, static_cast<size_t>(n) * 2);
  return vload_bf16(part);
}
FATHOM_INLINE V vfma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
FATHOM_INLINE float vfold(V v) { return fold8(v); }
FATHOM_INLINE void vfold4(V a, V b, V c, V d, float* out) { fold4x8(a, b, c, d, out); }

#else
using V = __m512;
inline constexpr int64_t kLanes = 16;
inline constexpr int kTileRows = 6;

FATHOM_INLINE V vzero() { return _mm512_setzero_ps(); }
FATHOM_INLINE V vset(float x) { return _mm512_set1_ps(x); }
FATHOM_INLINE V vadd(V a, V b) { return _mm512_add_ps(a, b); }
FATHOM_INLINE V vload(const void* p) { return _mm512_loadu_ps(p); }
FATHOM_INLINE V vload(const void* p, int64_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
FATHOM_INLINE void vstore(float* p, V v) { _mm512_storeu_ps(p, v); }
FATHOM_INLINE V vload_bf16(const void* p) { return load_bf16(p).v; }
FATHOM_INLINE V vload_bf16(const void* p, int64_t n) { return load_bf16(p, n).v; }
FATHOM_INLINE V vfma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
FATHOM_INLINE float vfold(V v) { return fold({v}); }
FATHOM_INLINE void vfold4(V a, V b, V c, V d, float* out) { fold4({a}, {b}, {c}, {d}, out); }
#endif

}  // namespace fathom::FATHOM_TARGET

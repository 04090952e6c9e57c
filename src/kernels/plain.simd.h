// F32x16 of any machine: four vectors of four in the compiler's own terms (SSE2, NEON, or scalars). See
// simd.h for what every target promises. fma is std::fma: exact, and slow where the baseline has no
// instruction for it.

namespace fathom::FATHOM_TARGET {

using V4 = float __attribute__((vector_size(16)));
using U4 = uint32_t __attribute__((vector_size(16)));
using I4 = int32_t __attribute__((vector_size(16)));

struct F32x16 {
  V4 v[4];
};
struct U32x16 {
  U4 v[4];
};
struct Mask16 {
  I4 v[4];  // all ones or zero
};

template <class T, class F>
FATHOM_INLINE T each4(const F& f) {
  return {{f(0), f(1), f(2), f(3)}};
}

FATHOM_INLINE F32x16 set16(float x) {
  const V4 v = {x, x, x, x};
  return {{v, v, v, v}};
}
FATHOM_INLINE F32x16 zero16() { return set16(0.0f); }
FATHOM_INLINE U32x16 uset16(uint32_t x) {
  const U4 v = {x, x, x, x};
  return {{v, v, v, v}};
}
FATHOM_INLINE F32x16 load(const void* p) {
  F32x16 a;
  std::memcpy(&a, p, 64);
  return a;
}
FATHOM_INLINE F32x16 load(const void* p, int64_t n) {
  float part[16] = {};
  std::memcpy(part, p, static_cast<size_t>(n) * 4);
  return load(part);
}
FATHOM_INLINE void store(float* p, const F32x16& a) { std::memcpy(p, &a, 64); }
FATHOM_INLINE void store(float* p, int64_t n, const F32x16& a) {
  std::memcpy(p, &a, static_cast<size_t>(n) * 4);
}
FATHOM_INLINE F32x16 load_bf16(const void* p, int64_t n) {
  uint16_t part[16] = {};
  std::memcpy(part, p, static_cast<size_t>(n) * 2);
  uint32_t bits[16];
  for (int i = 0; i < 16; ++i) bits[i] = static_cast<uint32_t>(part[i]) << 16;
  return load(bits);
}
FATHOM_INLINE F32x16 load_bf16(const void* p) { return load_bf16(p, 16); }

#define FATHOM_EACH(name, Type, expression)                  \
  FATHOM_INLINE Type name(const Type& a, const Type& b) {    \
    return each4<Type>([&](int i) { return (expression); }); \
  }
FATHOM_EACH(operator+, F32x16, a.v[i] + b.v[i])
FATHOM_EACH(operator-, F32x16, a.v[i] - b.v[i])
FATHOM_EACH(operator*, F32x16, a.v[i] * b.v[i])
FATHOM_EACH(operator/, F32x16, a.v[i] / b.v[i])
FATHOM_EACH(min, F32x16, a.v[i] < b.v[i] ? a.v[i] : b.v[i])
FATHOM_EACH(max, F32x16, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
FATHOM_EACH(max, U32x16, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
FATHOM_EACH(operator+, U32x16, a.v[i] + b.v[i])
FATHOM_EACH(operator-, U32x16, a.v[i] - b.v[i])
FATHOM_EACH(operator&, U32x16, a.v[i] & b.v[i])
FATHOM_EACH(operator|, U32x16, a.v[i] | b.v[i])
FATHOM_EACH(operator^, U32x16, a.v[i] ^ b.v[i])
#undef FATHOM_EACH
FATHOM_INLINE F32x16 fma(const F32x16& a, const F32x16& b, const F32x16& c) {
  float x[16], y[16], z[16];
  store(x, a), store(y, b), store(z, c);
  for (int i = 0; i < 16; ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return load(z);
}
FATHOM_INLINE F32x16 sqrt16(const F32x16& a) {
  float x[16];
  store(x, a);
  for (float& value : x) value = std::sqrt(value);
  return load(x);
}

FATHOM_INLINE U32x16 as_bits(const F32x16& a) { return std::bit_cast<U32x16>(a); }
FATHOM_INLINE F32x16 as_float(const U32x16& a) { return std::bit_cast<F32x16>(a); }
template <int N>
FATHOM_INLINE U32x16 shift_left(const U32x16& a) {
  return each4<U32x16>([&](int i) { return a.v[i] << N; });
}
template <int N>
FATHOM_INLINE U32x16 shift_right(const U32x16& a) {
  return each4<U32x16>([&](int i) { return a.v[i] >> N; });
}
FATHOM_INLINE F32x16 negate(const F32x16& a) { return as_float(as_bits(a) ^ uset16(0x80000000u)); }

FATHOM_INLINE Mask16 less(const F32x16& a, const F32x16& b) {
  return each4<Mask16>([&](int i) { return a.v[i] < b.v[i]; });
}
FATHOM_INLINE Mask16 less_equal(const F32x16& a, const F32x16& b) {
  return each4<Mask16>([&](int i) { return a.v[i] <= b.v[i]; });
}
FATHOM_INLINE F32x16 select(const Mask16& m, const F32x16& yes, const F32x16& no) {
  return each4<F32x16>([&](int i) { return m.v[i] != 0 ? yes.v[i] : no.v[i]; });
}
FATHOM_INLINE uint32_t lane_bits(const Mask16& m) {
  uint32_t bits = 0;
  for (int i = 0; i < 16; ++i) bits |= (m.v[i / 4][i % 4] != 0 ? 1u : 0u) << i;
  return bits;
}

// The low halves of the lanes as 16-bit numbers; n lanes.
FATHOM_INLINE void store_low(uint16_t* p, int64_t n, const U32x16& a) {
  for (int64_t i = 0; i < n; ++i) p[i] = static_cast<uint16_t>(a.v[i / 4][i % 4]);
}
FATHOM_INLINE void store_low(uint16_t* p, const U32x16& a) { store_low(p, 16, a); }

// Lane i gets lane i ^ N.
template <int N>
FATHOM_INLINE F32x16 swap(const F32x16& a) {
  if constexpr (N >= 4) {
    return each4<F32x16>([&](int i) { return a.v[i ^ (N / 4)]; });
  } else {
    return each4<F32x16>(
        [&](int i) { return V4{a.v[i][0 ^ N], a.v[i][1 ^ N], a.v[i][2 ^ N], a.v[i][3 ^ N]}; });
  }
}

// Lanes 2i and 2i + 1 get p[i]; n lanes.
FATHOM_INLINE F32x16 load_pairs(const float* p, int64_t n) {
  float pairs[16] = {};
  for (int64_t i = 0; i < n; ++i) pairs[i] = p[i / 2];
  return load(pairs);
}
FATHOM_INLINE F32x16 load_pairs(const float* p) { return load_pairs(p, 16); }

// The tree of every sum: lane i with i + 8, then i + 4, i + 2, i + 1.
FATHOM_INLINE float fold(const F32x16& a) {
  const V4 s4 = (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]);
  return (s4[0] + s4[2]) + (s4[1] + s4[3]);
}
FATHOM_INLINE void fold4(const F32x16& a, const F32x16& b, const F32x16& c, const F32x16& d, float* out) {
  out[0] = fold(a), out[1] = fold(b), out[2] = fold(c), out[3] = fold(d);
}
FATHOM_INLINE float fold_max(const F32x16& a) {
  float x[16];
  store(x, a);
  return *std::max_element(x, x + 16);
}

FATHOM_INLINE uint32_t fold_max(const U32x16& a) {
  uint32_t x[16];
  std::memcpy(x, &a, 64);
  return *std::max_element(x, x + 16);
}

}  // namespace fathom::FATHOM_TARGET

namespace fathom::FATHOM_TARGET {

// The block's largest magnitude; as integers, magnitudes have the order of their values and NaN is above
// infinity.
FATHOM_INLINE float amax(const float* x, int64_t count) {
  U32x16 largest = uset16(0);
  for_lanes(count, [&](int64_t i, auto n) {
    largest = max(largest, as_bits(load(x + i, n)) & uset16(0x7FFFFFFFu));
  });
  return std::bit_cast<float>(fold_max(largest));
}

// Rounds x / scale to a small float with kBits mantissa bits, largest value `top` and denormals that are
// multiples of the last place of `aligned`, below `normal`; ties to even. Gives the value times the scale.
template <int kBits>
FATHOM_INLINE F32x16 through_small_float(F32x16 x, F32x16 scale, float top, float normal, float aligned) {
  constexpr int kDrop = 23 - kBits;
  const F32x16 v = x / scale;
  const U32x16 sign = as_bits(v) & uset16(0x80000000u);
  const F32x16 magnitude = min(set16(top), abs16(v));
  const U32x16 bits = as_bits(magnitude);
  const U32x16 odd = shift_right<kDrop>(bits) & uset16(1);
  const U32x16 up = bits + uset16((1u << (kDrop - 1)) - 1) + odd;
  const F32x16 rounded = as_float(shift_left<kDrop>(shift_right<kDrop>(up)));
  const F32x16 small = (magnitude + set16(aligned)) - set16(aligned);
  return as_float(as_bits(select(less(magnitude, set16(normal)), small, rounded)) | sign) * scale;
}

static void quantise_fp8(float* x, int64_t rows, int64_t stride, int64_t dim, int64_t block, bool ue8m0) {
  const ScaleFormat format = ue8m0 ? ScaleFormat::ue8m0 : ScaleFormat::f32;
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t first = 0; first < dim; first += block) {
      float* v = x + t * stride + first;
      const int64_t count = std::min(block, dim - first);
      const F32x16 scale = set16(fp8_scale(amax(v, count), format));
      for_lanes(count, [&](int64_t i, auto n) {
        store(v + i, n, through_small_float<3>(load(v + i, n), scale, kE4m3Max, 0x1p-6f, 0x1p14f));
      });
    }
  }
}

// A stage of the transform within vectors: lanes i and i ^ H become their sum and difference.
template <int H>
FATHOM_INLINE void butterfly(float* x, int64_t dim) {
  alignas(64) uint32_t high[16];  // lanes with bit H take other - own
  for (uint32_t i = 0; i < 16; ++i) high[i] = (i & H) != 0 ? 0x80000000u : 0;
  const U32x16 negative = as_bits(load(high));
  for_lanes(dim, [&](int64_t i, auto n) {
    const F32x16 v = load(x + i, n);
    store(x + i, n, swap<H>(v) + as_float(as_bits(v) ^ negative));
  });
}

static void hadamard(float* x, int64_t rows, int64_t stride, int64_t dim) {
  const F32x16 root = set16(static_cast<float>(1 / std::sqrt(static_cast<double>(dim))));
  for (int64_t t = 0; t < rows; ++t, x += stride) {
    if (dim > 1) butterfly<1>(x, dim);
    if (dim > 2) butterfly<2>(x, dim);
    if (dim > 4) butterfly<4>(x, dim);
    if (dim > 8) butterfly<8>(x, dim);
    for (int64_t half = 16; half < dim; half *= 2) {
      for (int64_t first = 0; first < dim; first += 2 * half) {
        for (float* v = x + first; v < x + first + half; v += 16) {
          const F32x16 a = load(v), b = load(v + half);
          store(v, a + b);
          store(v + half, a - b);
        }
      }
    }
    for_lanes(dim, [&](int64_t i, auto n) { store(x + i, n, load(x + i, n) * root); });
  }
}

static void hadamard_fp4(float* x, int64_t rows, int64_t stride, int64_t dim) {
  hadamard(x, rows, stride, dim);
  for (int64_t t = 0; t < rows; ++t, x += stride) {
    for (int64_t first = 0; first < dim; first += kFp4Block) {
      const int64_t count = std::min(kFp4Block, dim - first);
      const F32x16 scale = set16(ue8m0_to_float(fp4_scale(amax(x + first, count))));
      for_lanes(count, [&](int64_t i, auto n) {
        float* v = x + first + i;
        store(v, n, through_small_float<1>(load(v, n), scale, kE2m1Max, 1.0f, 0x1p22f));
      });
    }
  }
}

static void to_bf16(const float* x, int64_t count, Bf16* y) {
  for_lanes(count, [&](int64_t i, auto n) {
    const F32x16 v = load(x + i, n);
    const U32x16 bits = as_bits(v);
    const U32x16 rounded = bits + uset16(0x7FFF) + (shift_right<16>(bits) & uset16(1));
    const U32x16 nan = bits | uset16(0x400000);
    const U32x16 chosen = as_bits(select(less_equal(v, v), as_float(rounded), as_float(nan)));
    store_low(reinterpret_cast<uint16_t*>(y + i), n, shift_right<16>(chosen));
  });
}

}  // namespace fathom::FATHOM_TARGET

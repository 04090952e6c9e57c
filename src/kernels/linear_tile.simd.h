// Tiles of linear: R rows of x times O rows of weights that lie in memory as numbers (in place, or decoded).
// One accumulator per output, steps along K in order, the last one padded with zeros, one tree at the end:
// the bits of an output do not depend on R, O or where the tile begins.

namespace fathom::FATHOM_TARGET {

// Products of floats.
struct FloatDot {
  using X = float;
  using Reg = V;
  static constexpr int64_t kStep = kLanes;
  static Reg load(const void* p) { return vload(p); }
  static Reg load(const void* p, int64_t n) { return vload(p, n); }
  static V add(Reg x, Reg w, V sum) { return vfma(x, w, sum); }
};

#if FATHOM_LEVEL == 3
FATHOM_INLINE __mmask32 first_lanes32(int64_t n) { return static_cast<__mmask32>((uint64_t{1} << n) - 1); }
FATHOM_INLINE __m512 dot_bf16(__m512i x, __m512i w, __m512 sum) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
}

// Products of bfloat16 pairs.
struct Bf16Dot {
  using X = Bf16;
  using Reg = __m512i;
  static constexpr int64_t kStep = 32;
  static Reg load(const void* p) { return _mm512_loadu_si512(p); }
  static Reg load(const void* p, int64_t n) { return _mm512_maskz_loadu_epi16(first_lanes32(n), p); }
  static V add(Reg x, Reg w, V sum) { return dot_bf16(x, w, sum); }
};
#endif

// O rows of weights, `stride` bytes apart.
struct WeightTile {
  const std::byte* data;
  int64_t stride;
};

template <class P, int R, int O>
static void tile(const typename P::X* x, int64_t x_stride, WeightTile w, int64_t cols, float* y,
                 int64_t y_stride) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(typename P::X));
  V sum[R][O];
  for (int r = 0; r < R; ++r) {
    for (int o = 0; o < O; ++o) sum[r][o] = vzero();
  }
  const auto step = [&](int64_t k, auto... n) {
    typename P::Reg row[R];
    for (int r = 0; r < R; ++r) row[r] = P::load(x + r * x_stride + k, n...);
    for (int o = 0; o < O; ++o) {
      const typename P::Reg weight = P::load(w.data + o * w.stride + k * kBytes, n...);
      for (int r = 0; r < R; ++r) sum[r][o] = P::add(row[r], weight, sum[r][o]);
    }
  };
  int64_t k = 0;
  for (; k + P::kStep <= cols; k += P::kStep) step(k);
  if (k < cols) step(k, cols - k);
  for (int r = 0; r < R; ++r) {
    if constexpr (O == 4) {
      vfold4(sum[r][0], sum[r][1], sum[r][2], sum[r][3], y + r * y_stride);
    } else {
      for (int o = 0; o < O; ++o) y[r * y_stride + o] = vfold(sum[r][o]);
    }
  }
}

// rows <= R.
template <class P, int R, int O>
static void tile_of(int64_t rows, const typename P::X* x, int64_t x_stride, WeightTile w, int64_t cols,
                    float* y, int64_t y_stride) {
  if constexpr (R > 1) {
    if (rows < R) return tile_of<P, R - 1, O>(rows, x, x_stride, w, cols, y, y_stride);
  }
  tile<P, R, O>(x, x_stride, w, cols, y, y_stride);
}

// All rows against outputs [first, last); weights(o, n) gives rows [o, o + n) of the weights, n <= 4,
// decoded.
template <class P, class Weights>
FATHOM_INLINE void tiles(const typename P::X* x, int64_t rows, int64_t x_stride, int64_t cols, int64_t first,
                         int64_t last, float* y, int64_t y_stride, const Weights& weights) {
  // Rows in blocks whose x stays in the second-level cache; decoding again for each block of 64 rows and more
  // costs a few percent.
  constexpr int64_t kCacheBytes = 512 * 1024;
  const int64_t row_bytes = std::max<int64_t>(1, cols * static_cast<int64_t>(sizeof(typename P::X)));
  const int64_t block = std::max<int64_t>(1, kCacheBytes / row_bytes / kTileRows) * kTileRows;
  for (int64_t t0 = 0; t0 < rows; t0 += block) {
    const int64_t t1 = std::min(rows, t0 + block);
    for (int64_t o = first; o < last; o += 4) {
      const int64_t n = std::min<int64_t>(4, last - o);
      const WeightTile w = weights(o, n);
      for (int64_t t = t0; t < t1; t += kTileRows) {
        const int64_t r = std::min<int64_t>(kTileRows, t1 - t);
        float* out = y + t * y_stride + o;
        if (n == 4) {
          tile_of<P, kTileRows, 4>(r, x + t * x_stride, x_stride, w, cols, out, y_stride);
        } else {
          for (int64_t i = 0; i < n; ++i) {
            tile_of<P, kTileRows, 1>(r, x + t * x_stride, x_stride, {w.data + i * w.stride, w.stride}, cols,
                                     out + i, y_stride);
          }
        }
      }
    }
  }
}

}  // namespace fathom::FATHOM_TARGET

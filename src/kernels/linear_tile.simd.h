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

// Rows of weights, `stride` bytes apart.
struct WeightRows {
  const std::byte* data;
  int64_t stride;
};

// Accumulators of a tile between two blocks of K: nothing of the order of sums changes where K is cut.
enum class TilePart : uint8_t { whole, first, middle, last };

// Columns [k, k_end) of one tile; k is a multiple of the step, and so is k_end but for the last part.
template <class P, int R, int O>
static void tile(const typename P::X* x, int64_t x_stride, WeightRows w, int64_t k, int64_t k_end,
                 TilePart part, V* kept, float* y, int64_t y_stride) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(typename P::X));
  V sum[R][O];
  // Unrolled by order: else the accumulators pass through memory at both ends.
  if (part == TilePart::whole || part == TilePart::first) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int o = 0; o < O; ++o) sum[r][o] = vzero();
    }
  } else {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int o = 0; o < O; ++o) sum[r][o] = kept[r * O + o];
    }
  }
  const auto step = [&](int64_t at, auto... n) {
    typename P::Reg row[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) row[r] = P::load(x + r * x_stride + at, n...);
#pragma GCC unroll 8
    for (int o = 0; o < O; ++o) {
      const typename P::Reg weight = P::load(w.data + o * w.stride + at * kBytes, n...);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sum[r][o] = P::add(row[r], weight, sum[r][o]);
    }
  };
  for (; k + P::kStep <= k_end; k += P::kStep) step(k);
  if (k < k_end) step(k, k_end - k);
  if (part == TilePart::first || part == TilePart::middle) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int o = 0; o < O; ++o) kept[r * O + o] = sum[r][o];
    }
    return;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    if constexpr (O == 4) {
      vfold4(sum[r][0], sum[r][1], sum[r][2], sum[r][3], y + r * y_stride);
    } else {
#pragma GCC unroll 8
      for (int o = 0; o < O; ++o) y[r * y_stride + o] = vfold(sum[r][o]);
    }
  }
}

// rows <= R against a panel of `outputs` rows of weights. The rows' part of x for one block of K stays in the
// first-level cache while the panel's streams by from the second.
template <class P, int R>
static void panel_rows(int64_t rows, const typename P::X* x, int64_t x_stride, WeightRows w, int64_t outputs,
                       int64_t cols, float* y, int64_t y_stride, FetchAhead* ahead) {
  if constexpr (R > 1) {
    if (rows < R) return panel_rows<P, R - 1>(rows, x, x_stride, w, outputs, cols, y, y_stride, ahead);
  }
  constexpr int64_t kBlock = 4096 / static_cast<int64_t>(sizeof(typename P::X));
  V kept[R * kPanel];
  int64_t k = 0;
  do {
    const int64_t k_end = std::min(cols, k + kBlock);
    const TilePart part = k == 0 ? (k_end == cols ? TilePart::whole : TilePart::first)
                                 : (k_end == cols ? TilePart::last : TilePart::middle);
    int64_t o = 0;
    for (; o + 4 <= outputs; o += 4) {
      if (ahead) ahead->next(4 * (k_end - k) * static_cast<int64_t>(sizeof(typename P::X)));
      tile<P, R, 4>(x, x_stride, {w.data + o * w.stride, w.stride}, k, k_end, part, kept + R * o, y + o,
                    y_stride);
    }
    for (; o < outputs; ++o) {
      tile<P, R, 1>(x, x_stride, {w.data + o * w.stride, w.stride}, k, k_end, part, kept + R * o, y + o,
                    y_stride);
    }
    k = k_end;
  } while (k < cols);
}

// How many rows of weights a panel has: as fit half of a second-level cache of 512 KB, and no more than a few
// rows of x can use.
template <class P>
FATHOM_INLINE int64_t panel_size(int64_t rows, int64_t cols) {
  const int64_t row_bytes = std::max<int64_t>(1, cols * static_cast<int64_t>(sizeof(typename P::X)));
  const int64_t useful = (rows + kTileRows - 1) / kTileRows * 4;
  return std::clamp<int64_t>(std::min(256 * 1024 / row_bytes / 4 * 4, useful), 4, kPanel);
}

// All rows against outputs [first, last); panel(o, n) gives rows [o, o + n) of the weights as numbers, n <=
// panel_size. If they lie in place, fetch(o) is a FetchAhead from row o on, else a null pointer: the panel is
// fetched when decoded.
template <class P, class Panel, class Fetch>
FATHOM_INLINE void panels(const typename P::X* x, int64_t rows, int64_t x_stride, int64_t cols, int64_t first,
                          int64_t last, float* y, int64_t y_stride, const Panel& panel, const Fetch& fetch) {
  const int64_t size = panel_size<P>(rows, cols);
  for (int64_t o = first; rows > 0 && o < last; o += size) {
    const int64_t n = std::min(size, last - o);
    const WeightRows w = panel(o, n);
    auto next = fetch(o + size);
    for (int64_t t = 0; t < rows; t += kTileRows) {
      FetchAhead* ahead = nullptr;
      if constexpr (!std::is_null_pointer_v<decltype(next)>) ahead = t == 0 ? &next : nullptr;
      panel_rows<P, kTileRows>(std::min<int64_t>(kTileRows, rows - t), x + t * x_stride, x_stride, w, n, cols,
                               y + t * y_stride + o, y_stride, ahead);
    }
  }
}

// The same for weights that lie in place.
template <class P>
FATHOM_INLINE void panels_in_place(const typename P::X* x, int64_t rows, int64_t x_stride,
                                   const WeightView& w, int64_t first, int64_t last, float* y,
                                   int64_t y_stride) {
  const int64_t used = w.cols * static_cast<int64_t>(sizeof(typename P::X));
  panels<P>(
      x, rows, x_stride, w.cols, first, last, y, y_stride,
      [&](int64_t o, int64_t) { return WeightRows{w.data + o * w.row_bytes, w.row_bytes}; },
      [&](int64_t o) { return FetchAhead(w, o, used); });
}

}  // namespace fathom::FATHOM_TARGET

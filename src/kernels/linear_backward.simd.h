// dx = dy W and dW = dy^T x: sums of outer products. Both walk the index that is summed over in order; a
// register tile holds R rows and two vectors of columns of the result. The factor whose rows are vectors is
// packed into panels of two vectors of columns, the other one is broadcast element by element. Blocks of 512
// of the sum are added to the result one after the other, so nothing depends on the shape of the work.

#include "kernels/linear_rows.simd.h"

namespace fathom::FATHOM_TARGET {

inline constexpr int64_t kSumBlock = 512;   // elements of the sum between two additions to the result
inline constexpr int64_t kGroupCols = 256;  // columns packed at a time: half of the second-level cache
inline constexpr int64_t kPanelCols = 2 * kLanes;
#if FATHOM_LEVEL == 0
inline constexpr int kOuterRows = 2;
#elif FATHOM_LEVEL == 1
inline constexpr int kOuterRows = 6;
#else
inline constexpr int kOuterRows = 12;
#endif

// One step of the sum is one float of each factor.
struct FloatOuter {
  using B = V;
  static constexpr int64_t kDepth = 1;
  static B load(const float* p) { return vload(p); }
  static V broadcast_add(const std::byte* a, B b, V sum) {
    float x;
    std::memcpy(&x, a, 4);
    return vfma(vset(x), b, sum);
  }
};

#if FATHOM_LEVEL == 3
// One step is a pair of bfloat16 of each factor, in 32 bits.
struct Bf16Outer {
  using B = __m512i;
  static constexpr int64_t kDepth = 2;
  static B load(const float* p) { return _mm512_loadu_si512(p); }
  static V broadcast_add(const std::byte* a, B b, V sum) {
    int32_t x;
    std::memcpy(&x, a, 4);
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(_mm512_set1_epi32(x)),
                            reinterpret_cast<__m512bh>(b));
  }
};
#endif

// The broadcast factor: element (row r, step s) of 4 bytes at data + r * row + s * step.
struct Broadcast {
  const std::byte* data;
  int64_t row, step;
};

// R rows of the result against a panel of `cols` columns (at most kPanelCols; the panel is padded to N
// vectors with zeros, its rows kPanelCols apart).
template <class P, int R, int N>
static void outer_tile(Broadcast a, const float* panel, int64_t steps, float* c, int64_t c_stride,
                       int64_t cols, bool add) {
  V sum[R][N];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) sum[r][n] = vzero();
  }
  for (int64_t s = 0; s < steps; ++s, panel += kPanelCols) {
    typename P::B b[N];
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) b[n] = P::load(panel + n * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int n = 0; n < N; ++n)
        sum[r][n] = P::broadcast_add(a.data + r * a.row + s * a.step, b[n], sum[r][n]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int n = 0; n < N; ++n) {
      float* out = c + r * c_stride + n * kLanes;
      if (cols >= (n + 1) * kLanes) {
        vstore(out, add ? vadd(vload(out), sum[r][n]) : sum[r][n]);
      } else {
        float part[kLanes];
        vstore(part, sum[r][n]);
        for (int64_t i = 0; i < cols - n * kLanes; ++i) out[i] = add ? out[i] + part[i] : part[i];
      }
    }
  }
}

// rows <= R against all panels of a group of `cols` columns.
template <class P, int R>
static void outer_rows(int64_t rows, Broadcast a, const float* panels, int64_t steps, float* c,
                       int64_t c_stride, int64_t cols, bool add) {
  if constexpr (R > 1) {
    if (rows < R) return outer_rows<P, R - 1>(rows, a, panels, steps, c, c_stride, cols, add);
  }
  for (int64_t k = 0; k < cols; k += kPanelCols, panels += steps * kPanelCols) {
    const int64_t n = std::min(kPanelCols, cols - k);
    n > kLanes ? outer_tile<P, R, 2>(a, panels, steps, c + k, c_stride, n, add)
               : outer_tile<P, R, 1>(a, panels, steps, c + k, c_stride, n, add);
  }
}

// Row `s` of floats [cols] into the panels of a group.
FATHOM_INLINE void pack_row(const float* from, int64_t cols, int64_t steps, int64_t s, float* panels) {
  for (int64_t k = 0; k < cols; k += kPanelCols, panels += steps * kPanelCols) {
    float* to = panels + s * kPanelCols;
    const int64_t n = std::min(kPanelCols, cols - k);
    if (n == kPanelCols) {
      vstore(to, vload(from + k));
      vstore(to + kLanes, vload(from + k + kLanes));
    } else {
      std::memcpy(to, from + k, static_cast<size_t>(n) * 4);
      std::memset(to + n, 0, static_cast<size_t>(kPanelCols - n) * 4);
    }
  }
}

// Where the panels of a group start, and behind them room for `more` floats.
FATHOM_INLINE float* panel_memory(int64_t steps, int64_t more) {
  return thread_scratch(ScratchSlot::weights).take<float>(steps * kGroupCols + more);
}

static void linear_dx(const float* dy, int64_t rows, int64_t dy_stride, const WeightView& w, int64_t first,
                      int64_t last, float* dx, int64_t dx_stride, bool add) {
  const bool in_place = linear_format(w) == LinearFormat::f32;
  const int64_t width = (w.cols + 31) / 32 * 32;
  float* panels = panel_memory(std::min(kSumBlock, w.rows), width);
  float* decoded = panels + std::min(kSumBlock, w.rows) * kGroupCols;
  for (int64_t k = first; k < last && !add && w.rows == 0; ++k) {
    for (int64_t t = 0; t < rows; ++t) dx[t * dx_stride + k] = 0;
  }
  for (int64_t o = 0; o < w.rows; o += kSumBlock) {
    const int64_t steps = std::min(kSumBlock, w.rows - o);
    for (int64_t k = first; k < last; k += kGroupCols) {
      const int64_t cols = std::min(kGroupCols, last - k);
      for (int64_t s = 0; s < steps; ++s) {
        if (in_place) {  // at any address
          std::memcpy(decoded, w.data + (o + s) * w.row_bytes + k * 4, static_cast<size_t>(cols) * 4);
          pack_row(decoded, cols, steps, s, panels);
        } else {
          decode_any(w, o + s, std::min(o + s + 1, w.rows - 1), decoded);
          pack_row(decoded + k, cols, steps, s, panels);
        }
      }
      for (int64_t t = 0; t < rows; t += kOuterRows) {
        const Broadcast a{reinterpret_cast<const std::byte*>(dy + t * dy_stride + o), dy_stride * 4, 4};
        outer_rows<FloatOuter, kOuterRows>(std::min<int64_t>(kOuterRows, rows - t), a, panels, steps,
                                           dx + t * dx_stride + k, dx_stride, cols, add || o > 0);
      }
    }
  }
}

static void linear_dw(const float* dy, int64_t dy_stride, const float* x, int64_t x_stride, int64_t rows,
                      int64_t outputs, int64_t cols, float* dw, int64_t dw_stride) {
  float* panels = panel_memory(kSumBlock, kSumBlock * kOuterRows);
  float* tile = panels + kSumBlock * kGroupCols;
  for (int64_t t = 0; t < rows; t += kSumBlock) {
    const int64_t steps = std::min(kSumBlock, rows - t);
    for (int64_t k = 0; k < cols; k += kGroupCols) {
      const int64_t n = std::min(kGroupCols, cols - k);
      for (int64_t s = 0; s < steps; ++s) pack_row(x + (t + s) * x_stride + k, n, steps, s, panels);
      for (int64_t o = 0; o < outputs; o += kOuterRows) {
        const int64_t r = std::min<int64_t>(kOuterRows, outputs - o);
        for (int64_t s = 0; s < steps; ++s) {
          std::memcpy(tile + s * kOuterRows, dy + (t + s) * dy_stride + o, static_cast<size_t>(r) * 4);
        }
        const Broadcast a{reinterpret_cast<const std::byte*>(tile), 4, kOuterRows * 4};
        outer_rows<FloatOuter, kOuterRows>(r, a, panels, steps, dw + o * dw_stride + k, dw_stride, n, true);
      }
    }
  }
}

}  // namespace fathom::FATHOM_TARGET

#if FATHOM_LEVEL == 3
#include "kernels/linear_backward_bf16.simd.h"
#else
namespace fathom::FATHOM_TARGET {

// Without an instruction for bfloat16 products: as floats, which hold them exactly.
static float* widen_rows(const Bf16* x, int64_t rows, int64_t stride, int64_t cols, float* out) {
  for (int64_t t = 0; t < rows; ++t) {
    for_lanes(cols, [&](int64_t k, auto lanes) {
      store(out + t * cols + k, lanes, load_bf16(x + t * stride + k, lanes));
    });
  }
  return out;
}

static void linear_dx_bf16(const Bf16* dy, int64_t rows, int64_t dy_stride, const WeightView& w,
                           int64_t first, int64_t last, float* dx, int64_t dx_stride, bool add) {
  WeightView rounded = w;
  std::vector<float> values;
  if (!exact_in_bf16(w)) {
    values.resize(static_cast<size_t>(w.rows * w.cols));
    for (int64_t o = 0; o < w.rows; ++o) decode_row(w, o, values.data() + o * w.cols);
    for (float& v : values) v = round_bf16(v);
    rounded = weight_view(values.data(), w.rows, w.cols);
  }
  constexpr int64_t kRows = 96;
  float* wide = thread_scratch(ScratchSlot::activations).take<float>(std::min(rows, kRows) * w.rows);
  for (int64_t t = 0; t < rows; t += kRows) {
    const int64_t n = std::min(kRows, rows - t);
    linear_dx(widen_rows(dy + t * dy_stride, n, dy_stride, w.rows, wide), n, w.rows, rounded, first, last,
              dx + t * dx_stride, dx_stride, add);
  }
}

static void linear_dw_bf16(const Bf16* dy, int64_t dy_stride, const Bf16* x, int64_t x_stride, int64_t rows,
                           int64_t outputs, int64_t cols, float* dw, int64_t dw_stride) {
  float* wide = thread_scratch(ScratchSlot::activations).take<float>(kSumBlock * (outputs + cols));
  for (int64_t t = 0; t < rows; t += kSumBlock) {
    const int64_t n = std::min(kSumBlock, rows - t);
    const float* y = widen_rows(dy + t * dy_stride, n, dy_stride, outputs, wide);
    linear_dw(y, outputs, widen_rows(x + t * x_stride, n, x_stride, cols, wide + n * outputs), cols, n,
              outputs, cols, dw, dw_stride);
  }
}

}  // namespace fathom::FATHOM_TARGET
#endif

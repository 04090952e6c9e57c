// The matrices of mix are tiny, so its backward pass has 16 tokens side by side in the lanes; nothing mixes
// lanes but the sums of d_scale and d_base, which go over tokens in their order.

#include "kernels/token_lanes.simd.h"

namespace fathom::FATHOM_TARGET {

// Divides each of n vectors that `at` names by their sum plus eps, which goes to *below.
template <class At>
FATHOM_INLINE void normalise(int64_t n, float eps, F32x16* below, const At& at) {
  F32x16 sum = at(0);
  for (int64_t b = 1; b < n; ++b) sum = sum + at(b);
  *below = sum + set16(eps);
  for (int64_t b = 0; b < n; ++b) at(b) = at(b) / *below;
}

// g: the gradient of Sinkhorn's result, replaced by that of the logits. `memory` has room for steps * (n + 1)
// * n vectors. lanes along tokens.
static void sinkhorn_backward(const F32x16* logits, int64_t n, int64_t iterations, float eps, F32x16* g,
                              F32x16* soft, F32x16* memory) {
  const int64_t square = n * n, steps = 2 * iterations - 1;
  F32x16* below = memory + steps * square;
  for (int64_t i = 0; i < n; ++i) {
    F32x16 top = logits[i * n], sum = zero16();
    for (int64_t j = 1; j < n; ++j) top = max(top, logits[i * n + j]);
    for (int64_t j = 0; j < n; ++j) {
      soft[i * n + j] = exp16(logits[i * n + j] - top);
      sum = sum + soft[i * n + j];
    }
    for (int64_t j = 0; j < n; ++j) soft[i * n + j] = soft[i * n + j] / sum;
  }
  for (int64_t step = 0; step < steps; ++step) {  // columns first and last
    F32x16* now = memory + step * square;
    for (int64_t i = 0; i < square; ++i) now[i] = step == 0 ? soft[i] + set16(eps) : now[i - square];
    for (int64_t a = 0; a < n; ++a) {
      if (step % 2 == 0) {
        normalise(n, eps, below + step * n + a, [&](int64_t b) -> F32x16& { return now[b * n + a]; });
      } else {
        normalise(n, eps, below + step * n + a, [&](int64_t b) -> F32x16& { return now[a * n + b]; });
      }
    }
  }
  for (int64_t step = steps - 1; step >= 0; --step) {
    const F32x16* now = memory + step * square;
    for (int64_t a = 0; a < n; ++a) {
      const int64_t first = step % 2 == 0 ? a : a * n, next = step % 2 == 0 ? n : 1;
      F32x16 dot = zero16();
      for (int64_t b = 0; b < n; ++b) dot = fma(g[first + b * next], now[first + b * next], dot);
      for (int64_t b = 0; b < n; ++b) {
        F32x16& v = g[first + b * next];
        v = (v - dot) / below[step * n + a];
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    F32x16 dot = zero16();
    for (int64_t j = 0; j < n; ++j) dot = fma(g[i * n + j], soft[i * n + j], dot);
    for (int64_t j = 0; j < n; ++j) g[i * n + j] = soft[i * n + j] * (g[i * n + j] - dot);
  }
}

static void hc_mix_backward(const float* z, const float* inv_rms, const float* scale, const float* base,
                            int64_t rows, int64_t n, int64_t iterations, float eps, const float* d_pre,
                            const float* d_post, const float* d_comb, float* dz, float* d_inv_rms,
                            float* d_scale, float* d_base) {
  const int64_t width = (2 + n) * n, square = n * n, steps = 2 * iterations - 1;
  const F32x16 one = set16(1.0f);
  F32x16* const d = thread_scratch(ScratchSlot::weights)
                        .take<F32x16>(3 * width + square + steps * (square + n));  // gradients before scale
  F32x16* const values = d + width;                                                // z
  F32x16* const mixed = values + width;                                            // z r s + b
  F32x16* const soft = mixed + width;
  F32x16* const memory = soft + square;
  const auto which = [&](int64_t i) { return i < n ? 0 : i < 2 * n ? 1 : 2; };
  for (int64_t t = 0; t < rows; t += 16) {
    const int64_t count = std::min<int64_t>(16, rows - t);
    F32x16 r;
    load_tokens(inv_rms + t, 1, count, 1, &r);
    load_tokens(z + t * width, width, count, width, values);
    load_tokens(d_pre + t * n, n, count, n, d);
    load_tokens(d_post + t * n, n, count, n, d + n);
    load_tokens(d_comb + t * square, square, count, square, d + 2 * n);
    for (int64_t i = 0; i < width; ++i) {
      mixed[i] = fma(values[i] * r, set16(scale[which(i)]), set16(base[i]));
    }
    for (int64_t i = 0; i < 2 * n; ++i) {
      const F32x16 s = sigmoid16(mixed[i]), slope = s * (one - s);
      d[i] = d[i] * (i < n ? slope : slope + slope);
    }
    sinkhorn_backward(mixed + 2 * n, n, iterations, eps, d + 2 * n, soft, memory);
    F32x16 to_rms = zero16();
    for (int64_t i = 0; i < width; ++i) {
      const F32x16 scaled = d[i] * set16(scale[which(i)]);
      to_rms = fma(scaled, values[i], to_rms);
      float gradient[16], of_scale[16], out[16];
      store(gradient, d[i]);
      store(of_scale, d[i] * (values[i] * r));
      store(out, scaled * r);
      for (int64_t k = 0; k < count; ++k) {
        d_base[i] += gradient[k];
        dz[(t + k) * width + i] = out[k];
      }
      for (int64_t k = 0; k < count; ++k) d_scale[which(i)] += of_scale[k];
    }
    store(d_inv_rms + t, count, to_rms);
  }
}

// N streams, or any number if N is 0.
template <int N>
static void collapse_backward(const float* streams, const float* pre, const float* dx, int64_t rows,
                              int64_t any, int64_t dim, float* d_streams, float* d_pre) {
  const int64_t n = N > 0 ? N : any;
  for (int64_t t = 0; t < rows; ++t, streams += n * dim, d_streams += n * dim, dx += dim) {
    F32x16 dot[N > 0 ? N : kMaxStreams];
    for (int64_t i = 0; i < n; ++i) dot[i] = zero16();
    for_lanes(dim, [&](int64_t c, auto lanes) {
      const F32x16 d = load(dx + c, lanes);
      for (int64_t i = 0; i < n; ++i) {
        float* out = d_streams + i * dim + c;
        dot[i] = fma(d, load(streams + i * dim + c, lanes), dot[i]);
        store(out, lanes, fma(set16(pre[t * n + i]), d, load(out, lanes)));
      }
    });
    for (int64_t i = 0; i < n; ++i) d_pre[t * n + i] = fold(dot[i]);
  }
}

static void hc_collapse_backward(const float* streams, const float* pre, const float* dx, int64_t rows,
                                 int64_t n, int64_t dim, float* d_streams, float* d_pre) {
  n == 4 ? collapse_backward<4>(streams, pre, dx, rows, n, dim, d_streams, d_pre)
         : collapse_backward<0>(streams, pre, dx, rows, n, dim, d_streams, d_pre);
}

template <int N>
static void apply_backward(const float* streams, const float* y, const float* post, const float* comb,
                           int64_t rows, int64_t any, int64_t dim, float* d_streams, float* dy, float* d_post,
                           float* d_comb) {
  constexpr int64_t kMost = N > 0 ? N : kMaxStreams;
  const int64_t n = N > 0 ? N : any;
  for (int64_t t = 0; t < rows; ++t, streams += n * dim, d_streams += n * dim, post += n, comb += n * n) {
    F32x16 to_post[kMost], to_comb[kMost * kMost];
    for (int64_t j = 0; j < n; ++j) to_post[j] = zero16();
    for (int64_t i = 0; i < n * n; ++i) to_comb[i] = zero16();
    for_lanes(dim, [&](int64_t c, auto lanes) {
      const F32x16 value = load(y + t * dim + c, lanes);
      F32x16 g[kMost], out = zero16();
      for (int64_t j = 0; j < n; ++j) {
        g[j] = load(d_streams + j * dim + c, lanes);
        out = fma(set16(post[j]), g[j], out);
        to_post[j] = fma(g[j], value, to_post[j]);
      }
      store(dy + t * dim + c, lanes, out);
      for (int64_t i = 0; i < n; ++i) {
        const F32x16 x = load(streams + i * dim + c, lanes);
        F32x16 sum = zero16();
        for (int64_t j = 0; j < n; ++j) {
          sum = fma(set16(comb[i * n + j]), g[j], sum);
          to_comb[i * n + j] = fma(g[j], x, to_comb[i * n + j]);
        }
        store(d_streams + i * dim + c, lanes, sum);
      }
    });
    for (int64_t j = 0; j < n; ++j) d_post[t * n + j] = fold(to_post[j]);
    for (int64_t i = 0; i < n * n; ++i) d_comb[t * n * n + i] = fold(to_comb[i]);
  }
}

static void hc_apply_backward(const float* streams, const float* y, const float* post, const float* comb,
                              int64_t rows, int64_t n, int64_t dim, float* d_streams, float* dy,
                              float* d_post, float* d_comb) {
  n == 4 ? apply_backward<4>(streams, y, post, comb, rows, n, dim, d_streams, dy, d_post, d_comb)
         : apply_backward<0>(streams, y, post, comb, rows, n, dim, d_streams, dy, d_post, d_comb);
}

static void add_scaled_rows(const float* x, const float* factor, int64_t rows, int64_t dim, float* y) {
  for (int64_t t = 0; t < rows; ++t, x += dim, y += dim) {
    for_lanes(dim, [&](int64_t c, auto n) {
      store(y + c, n, fma(set16(factor[t]), load(x + c, n), load(y + c, n)));
    });
  }
}

}  // namespace fathom::FATHOM_TARGET

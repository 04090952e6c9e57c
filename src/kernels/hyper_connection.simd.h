#include "kernels/token_lanes.simd.h"

namespace fathom::FATHOM_TARGET {

// comb: rows in registers, lanes along the streams; lanes from n on hold 0.
static void sinkhorn(F32x16* comb, int64_t n, int64_t iterations, float eps) {
  float column_eps[16];  // 1 in the unused lanes, which must not become 0 / 0
  for (int64_t j = 0; j < 16; ++j) column_eps[j] = j < n ? eps : 1.0f;
  const auto normalise_columns = [&] {
    F32x16 sum = comb[0];
    for (int64_t i = 1; i < n; ++i) sum = sum + comb[i];
    sum = sum + load(column_eps);
    for (int64_t i = 0; i < n; ++i) comb[i] = comb[i] / sum;
  };
  normalise_columns();
  for (int64_t step = 1; step < iterations; ++step) {
    for (int64_t i = 0; i < n; i += 4) {  // sums of four rows at once
      const auto row = [&](int64_t k) { return comb[std::min(i + k, n - 1)]; };
      float sum[4];
      fold4(row(0), row(1), row(2), row(3), sum);
      for (int64_t k = 0; k < 4 && i + k < n; ++k) comb[i + k] = comb[i + k] / set16(sum[k] + eps);
    }
    normalise_columns();
  }
}

// The sum of four values by the tree of fold().
FATHOM_INLINE F32x16 tree4(F32x16 a, F32x16 b, F32x16 c, F32x16 d) { return (a + c) + (b + d); }

// hc_mix of four streams for 16 tokens at a time, to the bits of the general form: the same operations in the
// same order, the tokens in the lanes.
static void hc_mix4(const float* z, const float* inv_rms, const float* scale, const float* base,
                    int64_t count, int64_t iterations, float eps, float* pre, float* post, float* comb) {
  constexpr int64_t n = 4, kWidth = (2 + n) * n;
  const F32x16 tiny = set16(eps);
  F32x16 r, v[kWidth];
  load_tokens(inv_rms, 1, count, 1, &r);
  load_tokens(z, kWidth, count, kWidth, v);
  for (int64_t i = 0; i < kWidth; ++i) {
    v[i] = fma(v[i] * r, set16(scale[i < n ? 0 : i < 2 * n ? 1 : 2]), set16(base[i]));
  }
  for (int64_t i = 0; i < n; ++i) {
    v[i] = sigmoid16(v[i]) + tiny;
    v[n + i] = set16(2.0f) * sigmoid16(v[n + i]);
  }
  F32x16* const c = v + 2 * n;
  for (int64_t i = 0; i < n; ++i) {
    F32x16* const row = c + i * n;
    const F32x16 top = max(max(row[0], row[1]), max(row[2], row[3]));
    for (int64_t j = 0; j < n; ++j) row[j] = exp16(row[j] - top);
    const F32x16 sum = tree4(row[0], row[1], row[2], row[3]);
    for (int64_t j = 0; j < n; ++j) row[j] = row[j] / sum + tiny;
  }
  for (int64_t step = 0; step < iterations; ++step) {
    for (int64_t i = 0; i < n && step > 0; ++i) {
      F32x16* const row = c + i * n;
      const F32x16 sum = tree4(row[0], row[1], row[2], row[3]) + tiny;
      for (int64_t j = 0; j < n; ++j) row[j] = row[j] / sum;
    }
    for (int64_t j = 0; j < n; ++j) {
      const F32x16 sum = ((c[j] + c[n + j]) + c[2 * n + j]) + c[3 * n + j] + tiny;
      for (int64_t i = 0; i < n; ++i) c[i * n + j] = c[i * n + j] / sum;
    }
  }
  store_tokens(v, n, count, n, pre);
  store_tokens(v + n, n, count, n, post);
  store_tokens(c, n * n, count, n * n, comb);
}

static void hc_mix(const float* z, const float* inv_rms, const float* scale, const float* base, int64_t rows,
                   int64_t n, int64_t iterations, float eps, float* pre, float* post, float* comb) {
  const float infinity = std::numeric_limits<float>::infinity();
  // A single token (decode) is quicker with its streams in the lanes.
  for (; n == 4 && rows > 1; rows -= std::min<int64_t>(16, rows)) {
    const int64_t count = std::min<int64_t>(16, rows);
    hc_mix4(z, inv_rms, scale, base, count, iterations, eps, pre, post, comb);
    z += count * 24, inv_rms += count, pre += count * n, post += count * n, comb += count * n * n;
  }
  for (int64_t t = 0; t < rows; ++t, z += (2 + n) * n, pre += n, post += n, comb += n * n) {
    const auto mixed = [&](int64_t first, int which) {
      return fma(load(z + first, n) * set16(inv_rms[t]), set16(scale[which]), load(base + first, n));
    };
    store(pre, n, sigmoid16(mixed(0, 0)) + set16(eps));
    store(post, n, set16(2.0f) * sigmoid16(mixed(n, 1)));
    F32x16 c[kMaxStreams];
    for (int64_t i = 0; i < n; ++i) {
      float logits[16];
      store(logits, mixed(2 * n + i * n, 2));
      for (int64_t j = n; j < 16; ++j) logits[j] = -infinity;
      const F32x16 v = load(logits);
      const F32x16 e = exp16(v - set16(fold_max(v)));
      float weights[16];
      store(weights, e / set16(fold(e)) + set16(eps));
      c[i] = load(weights, n);
    }
    sinkhorn(c, n, iterations, eps);
    for (int64_t i = 0; i < n; ++i) store(comb + i * n, n, c[i]);
  }
}

// N streams, or any number if N is 0.
template <int N>
static void collapse(const float* streams, const float* pre, int64_t rows, int64_t any, int64_t dim,
                     float* x) {
  const int64_t n = N > 0 ? N : any;
  for (int64_t t = 0; t < rows; ++t, streams += n * dim, pre += n, x += dim) {
    for_lanes(dim, [&](int64_t c, auto lanes) {
      F32x16 sum = zero16();
      for (int64_t i = 0; i < n; ++i) sum = fma(set16(pre[i]), load(streams + i * dim + c, lanes), sum);
      store(x + c, lanes, sum);
    });
  }
}

static void hc_collapse(const float* streams, const float* pre, int64_t rows, int64_t n, int64_t dim,
                        float* x) {
  n == 4 ? collapse<4>(streams, pre, rows, n, dim, x) : collapse<0>(streams, pre, rows, n, dim, x);
}

template <int N>
static void apply(float* streams, const float* y, const float* post, const float* comb, int64_t rows,
                  int64_t any, int64_t dim) {
  const int64_t n = N > 0 ? N : any;
  for (int64_t t = 0; t < rows; ++t, streams += n * dim, y += dim, post += n, comb += n * n) {
    for_lanes(dim, [&](int64_t c, auto lanes) {
      F32x16 in[N > 0 ? N : kMaxStreams];
      for (int64_t i = 0; i < n; ++i) in[i] = load(streams + i * dim + c, lanes);
      const F32x16 out = load(y + c, lanes);
      for (int64_t j = 0; j < n; ++j) {
        F32x16 sum = set16(post[j]) * out;
        for (int64_t i = 0; i < n; ++i) sum = fma(set16(comb[i * n + j]), in[i], sum);
        store(streams + j * dim + c, lanes, sum);
      }
    });
  }
}

static void hc_apply(float* streams, const float* y, const float* post, const float* comb, int64_t rows,
                     int64_t n, int64_t dim) {
  n == 4 ? apply<4>(streams, y, post, comb, rows, n, dim) : apply<0>(streams, y, post, comb, rows, n, dim);
}

}  // namespace fathom::FATHOM_TARGET

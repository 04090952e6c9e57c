#include "kernels/row_products.simd.h"

namespace fathom::FATHOM_TARGET {

// Dot products of one head [padded to 16] become its softmax weights in place; returns the sink's weight.
FATHOM_INLINE float softmax_with_sink(float* scores, int64_t count, int64_t padded, float scale, float sink) {
  for (int64_t j = count; j < padded; ++j) scores[j] = -std::numeric_limits<float>::infinity();
  F32x16 mx = set16(sink);
  for (int64_t j = 0; j < padded; j += 16) {
    const F32x16 s = load(scores + j) * set16(scale);
    store(scores + j, s);
    mx = max(mx, s);
  }
  const float largest = fold_max(mx);
  F32x16 sum = zero16();
  for (int64_t j = 0; j < padded; j += 16) {
    const F32x16 e = exp16(load(scores + j) - set16(largest));
    store(scores + j, e);
    sum = sum + e;
  }
  float at_sink[16];
  store(at_sink, exp16(set16(sink - largest)));
  const float total = at_sink[0] + fold(sum);
  for (int64_t j = 0; j < padded; j += 16) store(scores + j, load(scores + j) / set16(total));
  return at_sink[0] / total;
}

static void attention_backward(const float* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                               int64_t count, RowType type, const float* sink, float scale, const float* dout,
                               float* dq, float* const* drows, float* dsink) {
  const float* const* kv = float_rows(rows, count, type, dim);
  const int64_t padded = (count + 15) / 16 * 16;
  float* weight = thread_scratch(ScratchSlot::scores).take<float>(2 * kTileHeads * padded);
  float* dscore = weight + kTileHeads * padded;
  for_head_tiles(heads, [&](int64_t first, auto tile) {
    constexpr int H = decltype(tile)::value;
    const float* query = q + first * dim;
    const float* gradient = dout + first * dim;
    dot_rows<H>(query, dim, kv, count, weight, padded);
    dot_rows<H>(gradient, dim, kv, count, dscore, padded);
    for (int h = 0; h < H; ++h) {
      float* w = weight + h * padded;
      float* product = dscore + h * padded;
      const float at_sink = softmax_with_sink(w, count, padded, scale, sink[first + h]);
      for (int64_t j = count; j < padded; ++j) product[j] = 0.0f;
      F32x16 sum = zero16();
      for (int64_t j = 0; j < padded; j += 16) sum = fma(load(w + j), load(product + j), sum);
      const float mean = fold(sum);
      for (int64_t j = 0; j < padded; j += 16) {
        store(product + j, load(w + j) * (load(product + j) - set16(mean)) * set16(scale));
      }
      dsink[first + h] -= at_sink * mean;
    }
    combine_rows<H>(dscore, padded, kv, count, dim, dq + first * dim);
    const SpreadTerm terms[2] = {{weight, gradient}, {dscore, query}};
    spread_rows<H, 2>(terms, padded, count, dim, drows);
  });
}

static void attention_mass(const float* q, int64_t heads, int64_t dim, const std::byte* const* rows,
                           int64_t count, RowType type, const float* sink, float scale, float* mass) {
  const float* const* kv = float_rows(rows, count, type, dim);
  const int64_t padded = (count + 15) / 16 * 16;
  float* weight = thread_scratch(ScratchSlot::scores).take<float>(kTileHeads * padded);
  std::fill_n(mass, count, 0.0f);
  for_head_tiles(heads, [&](int64_t first, auto tile) {
    constexpr int H = decltype(tile)::value;
    dot_rows<H>(q + first * dim, dim, kv, count, weight, padded);
    for (int h = 0; h < H; ++h) {
      float* w = weight + h * padded;
      softmax_with_sink(w, count, padded, scale, sink[first + h]);
      for_lanes(count, [&](int64_t j, auto n) { store(mass + j, n, load(mass + j, n) + load(w + j, n)); });
    }
  });
}

}  // namespace fathom::FATHOM_TARGET

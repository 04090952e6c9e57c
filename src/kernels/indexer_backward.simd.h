#include "kernels/row_products.simd.h"

namespace fathom::FATHOM_TARGET {

static void indexer_kl(const float* scores, const float* mass, int64_t count, float weight, float* dscores,
                       float* kl) {
  const float infinity = std::numeric_limits<float>::infinity();
  F32x16 mx = set16(-infinity), all_mass = zero16();
  for_lanes(count, [&](int64_t j, auto n) {
    float part[16];  // unused lanes may not win
    std::fill_n(part, 16, -infinity);
    store(part, n, load(scores + j, n));
    mx = max(mx, load(part));
    all_mass = all_mass + load(mass + j, n);
  });
  const float largest = fold_max(mx), total_mass = fold(all_mass);
  F32x16 sum = zero16();
  for_lanes(count, [&](int64_t j, auto n) {
    store(dscores + j, n, exp16(load(scores + j, n) - set16(largest)));
    sum = sum + load(dscores + j, n);
  });
  if (!(total_mass > 0)) {
    std::fill_n(dscores, count, 0.0f);
    kl[0] = kl[1] = 0;
    return;
  }
  const float total = fold(sum);
  // The divergences are only reported: in double, in order.
  double learned = 0, uniform = 0;
  const double log_total = std::log(static_cast<double>(total)) + largest,
               log_mass = std::log(static_cast<double>(total_mass)),
               log_count = std::log(static_cast<double>(count));
  for (int64_t j = 0; j < count; ++j) {
    if (!(mass[j] > 0)) continue;
    const double p = static_cast<double>(mass[j]) / total_mass;
    const double log_p = std::log(static_cast<double>(mass[j])) - log_mass;
    learned += p * (log_p - (scores[j] - log_total));
    uniform += p * (log_p + log_count);
  }
  kl[0] = static_cast<float>(learned);
  kl[1] = static_cast<float>(uniform);
  for_lanes(count, [&](int64_t j, auto n) {
    const F32x16 q = load(dscores + j, n) / set16(total), p = load(mass + j, n) / set16(total_mass);
    store(dscores + j, n, (q - p) * set16(weight));
  });
}

static void indexer_scores_backward(const float* q, const float* weights, int64_t heads, int64_t dim,
                                    const std::byte* const* keys, int64_t count, RowType type,
                                    const float* dscores, float* dq, float* dweights, float* const* dkeys) {
  const float* const* rows = float_rows(keys, count, type, dim);
  const int64_t padded = (count + 15) / 16 * 16;
  float* dot = thread_scratch(ScratchSlot::scores).take<float>(kTileHeads * padded);
  for_head_tiles(heads, [&](int64_t first, auto tile) {
    constexpr int H = decltype(tile)::value;
    dot_rows<H>(q + first * dim, dim, rows, count, dot, padded);
    for (int h = 0; h < H; ++h) {
      const F32x16 weight = set16(weights[first + h]);
      F32x16 sum = zero16();
      for_lanes(count, [&](int64_t j, auto n) {
        float* at = dot + h * padded + j;
        const F32x16 z = load(at, n), d = load(dscores + j, n);
        sum = fma(d, max(zero16(), z), sum);
        store(at, n, select(less(zero16(), z), d * weight, zero16()));
      });
      dweights[first + h] = fold(sum);
    }
    combine_rows<H>(dot, padded, rows, count, dim, dq + first * dim);
    const SpreadTerm terms[1] = {{dot, q + first * dim}};
    spread_rows<H, 1>(terms, padded, count, dim, dkeys);
  });
}

}  // namespace fathom::FATHOM_TARGET

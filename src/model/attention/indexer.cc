#include "model/attention/indexer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/instantiate.h"

namespace fathom {

template <class Real>
IndexerQueries<Real> indexer_queries(const Context<Real>& ctx, const ModelConfig& config,
                                     const IndexerParams<WeightView>& w, Mat<const Real> x,
                                     Mat<const Real> qr, const Real* cos, const Real* sin) {
  const int64_t heads = config.index_n_heads, dim = config.index_head_dim, r = config.qk_rope_head_dim;
  const IndexerQueries<Real> out{ctx.scratch(x.rows, heads * dim), ctx.scratch(x.rows, heads)};
  ctx.linear_latent(qr, w.wq_b, out.q);
  ctx.rope(out.q.data + dim - r, x.rows, out.q.stride, heads, dim, r / 2, cos, sin, false);
  if (ctx.numerics().quantise_indexer) ctx.hadamard_fp4(out.q.data, x.rows * heads, dim, dim);
  ctx.linear_exact(x, w.weights_proj, out.weights);
  const Real factor = 1 / std::sqrt(static_cast<Real>(dim)) / std::sqrt(static_cast<Real>(heads));
  for (int64_t i = 0; i < x.rows * heads; ++i) out.weights.data[i] *= factor;
  return out;
}

template <class Real>
void score_keys(const Context<Real>& ctx, const ModelConfig& config, const Real* q, const Real* weights,
                const PagedRows& keys, int64_t first, int64_t last, Real* scores) {
  // The kernel turns the queries round before it meets the first key, so it gets the keys of many pages at
  // once, copied together; a key's score does not depend on its company.
  constexpr int64_t kKeys = 512;
  std::vector<std::byte> together;
  const auto score = [&](const std::byte* rows, int64_t i, int64_t count) {
    ctx.kernels().indexer_scores(q, weights, config.index_n_heads, config.index_head_dim, rows,
                                 keys.row_bytes(), count, ctx.numerics().kv_type, scores + i);
  };
  for (int64_t i = first; i < last;) {
    int64_t count = std::min(keys.run(i), last - i);
    if (count >= kKeys || count == last - i) {
      score(keys.row(i), i, count);
    } else {
      together.resize(static_cast<size_t>(kKeys * keys.row_bytes()));
      const int64_t end = std::min(last, i + kKeys);
      for (int64_t k = i; k < end; k += count) {
        count = std::min(keys.run(k), end - k);
        std::memcpy(together.data() + (k - i) * keys.row_bytes(), keys.row(k),
                    static_cast<size_t>(count * keys.row_bytes()));
      }
      count = end - i;
      score(together.data(), i, count);
    }
    i += count;
  }
}

FATHOM_INSTANTIATE(indexer_queries);
FATHOM_INSTANTIATE(score_keys);

}  // namespace fathom

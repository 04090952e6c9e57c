namespace fathom::FATHOM_TARGET {

// Registers: vectors of 16 heads x keys accumulators.
#if FATHOM_LEVEL >= 2
inline constexpr int kHeadVectors = 4, kKeys = 4;
#else
inline constexpr int kHeadVectors = 1, kKeys = 4;
#endif

// sum[k] += weights relu(q . key k), for V vectors of heads and kKeys keys. q [dim][stride] and weights begin
// at the first of these heads; keys [kKeys][dim].
template <int V>
FATHOM_INLINE void score_heads(const float* q, int64_t stride, const float* weights, const float* keys,
                               int64_t dim, F32x16* sum) {
  F32x16 dot[V][kKeys];
  for (auto& row : dot) {
    for (auto& d : row) d = zero16();
  }
  for (int64_t c = 0; c < dim; ++c) {
    F32x16 head[V];
    for (int v = 0; v < V; ++v) head[v] = load(q + c * stride + 16 * v);
    for (int k = 0; k < kKeys; ++k) {
      const F32x16 key = set16(keys[k * dim + c]);
      for (int v = 0; v < V; ++v) dot[v][k] = fma(head[v], key, dot[v][k]);
    }
  }
  for (int v = 0; v < V; ++v) {
    const F32x16 weight = load(weights + 16 * v);
    for (int k = 0; k < kKeys; ++k) sum[k] = fma(weight, max(zero16(), dot[v][k]), sum[k]);
  }
}

static void indexer_scores(const float* q, const float* weights, int64_t heads, int64_t dim,
                           const std::byte* keys, int64_t row_bytes, int64_t count, RowType type,
                           float* scores) {
  // Lanes over heads: q transposed, with unused heads of weight 0.
  const int64_t lanes = (heads + 15) / 16 * 16;
  float* turned = thread_scratch(ScratchSlot::activations).take<float>((dim + 1) * lanes);
  float* padded = turned + dim * lanes;
  for (int64_t h = 0; h < lanes; ++h) {
    padded[h] = h < heads ? weights[h] : 0.0f;
    for (int64_t c = 0; c < dim; ++c) turned[c * lanes + h] = h < heads ? q[h * dim + c] : 0.0f;
  }
  float* block = thread_scratch(ScratchSlot::keys).take<float>(kKeys * dim);
  for (int64_t first = 0; first < count; first += kKeys) {
    const int64_t n = std::min<int64_t>(kKeys, count - first);
    for (int64_t k = 0; k < kKeys; ++k) {
      const std::byte* key = keys + (first + std::min(k, n - 1)) * row_bytes;
      float* out = block + k * dim;
      if (type == RowType::f32) {
        std::memcpy(out, key, static_cast<size_t>(dim) * 4);
      } else if (type == RowType::bf16) {
        for_lanes(dim, [&](int64_t c, auto m) { store(out + c, m, load_bf16(key + 2 * c, m)); });
      } else {
        for (int64_t c = 0; c < dim; ++c) out[c] = row_element<float>(type, key, c);
      }
    }
    F32x16 sum[kKeys];
    for (auto& s : sum) s = zero16();
    int64_t h = 0;
    for (; h + 16 * kHeadVectors <= lanes; h += 16 * kHeadVectors) {
      score_heads<kHeadVectors>(turned + h, lanes, padded + h, block, dim, sum);
    }
    for (; h < lanes; h += 16) score_heads<1>(turned + h, lanes, padded + h, block, dim, sum);
    float folded[4];
    static_assert(kKeys == 4);
    fold4(sum[0], sum[1], sum[2], sum[3], folded);
    std::memcpy(scores + first, folded, static_cast<size_t>(n) * 4);
  }
}

}  // namespace fathom::FATHOM_TARGET

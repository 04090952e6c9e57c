namespace fathom::FATHOM_TARGET {

inline constexpr int64_t kTile = 64;  // rows
inline constexpr int kHeads = 4;      // heads that share the reading of a tile

// Registers: score tiles of kScoreHeads x 4 rows, sums of up to 4 heads x kChunks x 16 dims.
#if FATHOM_LEVEL >= 2
inline constexpr int kScoreHeads = 4, kChunks = 4;
#else
inline constexpr int kScoreHeads = 1, kChunks = 1;
#endif

// score[h][j] = scale q[h] . rows[j] for H heads and 4 rows; score rows are kTile apart.
template <int H>
FATHOM_INLINE void score_tile(const float* q, int64_t dim, const std::byte* const* rows, float scale,
                              float* score) {
  F32x16 sum[H][4];
  for (auto& head : sum) {
    for (auto& s : head) s = zero16();
  }
  for_lanes(dim, [&](int64_t i, auto n) {
    F32x16 query[H];
    for (int h = 0; h < H; ++h) query[h] = load(q + h * dim + i, n);
    for (int j = 0; j < 4; ++j) {
      const F32x16 key = load(rows[j] + 4 * i, n);
      for (int h = 0; h < H; ++h) sum[h][j] = fma(query[h], key, sum[h][j]);
    }
  });
  for (int h = 0; h < H; ++h) {
    float* out = score + h * kTile;
    fold4(sum[h][0], sum[h][1], sum[h][2], sum[h][3], out);
    for (int j = 0; j < 4; ++j) out[j] *= scale;
  }
}

// out[h] = out[h] keep[h] + sum_j weight[h][j] rows[j], rows in order, for H heads.
template <int H, int C, class N>
FATHOM_INLINE void add_chunk(const float* weight, const float* keep, const std::byte* const* rows,
                             int64_t count, int64_t dim, int64_t i, N n, float* out) {
  F32x16 sum[H][C];
  for (int h = 0; h < H; ++h) {
    for (int c = 0; c < C; ++c) sum[h][c] = load(out + h * dim + i + 16 * c, n) * set16(keep[h]);
  }
  for (int64_t j = 0; j < count; ++j) {
    F32x16 value[C];
    for (int c = 0; c < C; ++c) value[c] = load(rows[j] + 4 * (i + 16 * c), n);
    for (int h = 0; h < H; ++h) {
      const F32x16 w = set16(weight[h * kTile + j]);
      for (int c = 0; c < C; ++c) sum[h][c] = fma(w, value[c], sum[h][c]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int c = 0; c < C; ++c) store(out + h * dim + i + 16 * c, n, sum[h][c]);
  }
}

// H heads against one tile. largest and total: the running maximum of each head and its sum of weights.
template <int H>
static void heads_tile(const float* q, int64_t dim, const std::byte* const* rows, int64_t count, float scale,
                       float* largest, float* total, float* out) {
  alignas(64) float weight[H * kTile];
  float keep[H];
  for (int64_t j = 0; j < count; j += 4) {  // rows has a multiple of 4 entries
    int h = 0;
    for (; h + kScoreHeads <= H; h += kScoreHeads) {
      score_tile<kScoreHeads>(q + h * dim, dim, rows + j, scale, weight + h * kTile + j);
    }
    for (; h < H; ++h) score_tile<1>(q + h * dim, dim, rows + j, scale, weight + h * kTile + j);
  }
  const int64_t padded = (count + 15) / 16 * 16;
  for (int h = 0; h < H; ++h) {
    float* w = weight + h * kTile;
    for (int64_t j = count; j < padded; ++j) w[j] = -std::numeric_limits<float>::infinity();
    F32x16 mx = load(w);
    for (int64_t j = 16; j < padded; j += 16) mx = max(mx, load(w + j));
    const float now = std::max(largest[h], fold_max(mx));
    F32x16 sum = zero16();
    for (int64_t j = 0; j < padded; j += 16) {
      const F32x16 e = exp16(load(w + j) - set16(now));
      store(w + j, e);
      sum = sum + e;
    }
    float shrink[16];
    store(shrink, exp16(set16(largest[h] - now)));
    keep[h] = shrink[0];
    total[h] = total[h] * keep[h] + fold(sum);
    largest[h] = now;
  }
  int64_t i = 0;
  for (; i + 16 * kChunks <= dim; i += 16 * kChunks) {
    add_chunk<H, kChunks>(weight, keep, rows, count, dim, i, Full{}, out);
  }
  for (; i + 16 <= dim; i += 16) add_chunk<H, 1>(weight, keep, rows, count, dim, i, Full{}, out);
  if (i < dim) add_chunk<H, 1>(weight, keep, rows, count, dim, i, dim - i, out);
}

static void attention(const float* q, int64_t heads, int64_t dim, const std::byte* const* rows, int64_t count,
                      RowType type, const float* sink, float scale, float* out) {
  float* largest = thread_scratch(ScratchSlot::scores).take<float>(2 * heads);
  float* total = largest + heads;
  std::copy_n(sink, heads, largest);
  std::fill_n(total, heads, 1.0f);  // the sink's own weight
  std::fill_n(out, heads * dim, 0.0f);
  float* decoded =
      type == RowType::f32 ? nullptr : thread_scratch(ScratchSlot::keys).take<float>(kTile * dim);
  const std::byte* tile[kTile];
  for (int64_t first = 0; first < count; first += kTile) {
    const int64_t n = std::min(kTile, count - first);
    for (int64_t j = 0; j < n; ++j) {
      const std::byte* row = rows[first + j];
      if (type == RowType::f32) {
        tile[j] = row;
        continue;
      }
      float* to = decoded + j * dim;
      if (type == RowType::bf16) {
        for_lanes(dim, [&](int64_t i, auto m) { store(to + i, m, load_bf16(row + 2 * i, m)); });
      } else {
        for (int64_t i = 0; i < dim; ++i) to[i] = row_element<float>(type, row, i);
      }
      tile[j] = reinterpret_cast<const std::byte*>(to);
    }
    for (int64_t j = n; j % 4 != 0; ++j) tile[j] = tile[n - 1];
    int64_t h = 0;
    for (; h + kHeads <= heads; h += kHeads) {
      heads_tile<kHeads>(q + h * dim, dim, tile, n, scale, largest + h, total + h, out + h * dim);
    }
    for (; h < heads; ++h)
      heads_tile<1>(q + h * dim, dim, tile, n, scale, largest + h, total + h, out + h * dim);
  }
  for (int64_t h = 0; h < heads; ++h, out += dim) {
    for_lanes(dim, [&](int64_t i, auto n) { store(out + i, n, load(out + i, n) / set16(total[h])); });
  }
}

}  // namespace fathom::FATHOM_TARGET

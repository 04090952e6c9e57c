// Products of a few vectors ("heads") with many rows given by pointers: what the backward passes of attention
// and of the indexer's scores consist of. Included by their bodies, once per target.

namespace fathom::FATHOM_TARGET {

// Registers: vectors of a tile (the bits do not depend on it), and 16-wide chunks of a row.
#if FATHOM_LEVEL >= 2
inline constexpr int kTileHeads = 4, kRowChunks = 4;
#else
inline constexpr int kTileHeads = 1, kRowChunks = 1;
#endif

// The rows as floats: pointers to them where they lie if they are floats, else decoded. The last pointer is
// repeated up to a multiple of 4. Takes the scratch slot `keys`.
FATHOM_INLINE const float* const* float_rows(const std::byte* const* rows, int64_t count, RowType type,
                                             int64_t dim) {
  const int64_t padded = (count + 3) / 4 * 4, pointers = (padded * 8 + 63) / 64 * 64;
  const int64_t decoded = type == RowType::f32 ? 0 : count * dim * 4;
  auto* memory = thread_scratch(ScratchSlot::keys).take<std::byte>(pointers + decoded);
  auto* out = reinterpret_cast<const float**>(memory);
  for (int64_t j = 0; j < count; ++j) {
    if (type == RowType::f32) {
      out[j] = reinterpret_cast<const float*>(rows[j]);
      continue;
    }
    float* to = reinterpret_cast<float*>(memory + pointers) + j * dim;
    if (type == RowType::bf16) {
      for_lanes(dim, [&](int64_t i, auto n) { store(to + i, n, load_bf16(rows[j] + 2 * i, n)); });
    } else {
      for (int64_t i = 0; i < dim; ++i) to[i] = row_element<float>(type, rows[j], i);
    }
    out[j] = to;
  }
  for (int64_t j = count; j < padded; ++j) out[j] = out[count - 1];
  return out;
}

// out[h][j] = a[h] . rows[j] for H vectors and all rows (padded to a multiple of 4); rows of out are `stride`
// apart.
template <int H>
FATHOM_INLINE void dot_rows(const float* a, int64_t dim, const float* const* rows, int64_t count, float* out,
                            int64_t stride) {
  for (int64_t j = 0; j < count; j += 4) {
    F32x16 sum[H][4];
    for (auto& head : sum) {
      for (auto& s : head) s = zero16();
    }
    for_lanes(dim, [&](int64_t i, auto n) {
      F32x16 v[H];
      for (int h = 0; h < H; ++h) v[h] = load(a + h * dim + i, n);
      for (int k = 0; k < 4; ++k) {
        const F32x16 row = load(rows[j + k] + i, n);
        for (int h = 0; h < H; ++h) sum[h][k] = fma(v[h], row, sum[h][k]);
      }
    });
    for (int h = 0; h < H; ++h) fold4(sum[h][0], sum[h][1], sum[h][2], sum[h][3], out + h * stride + j);
  }
}

template <int H, int C, class N>
FATHOM_INLINE void combine_chunk(const float* weight, int64_t stride, const float* const* rows, int64_t count,
                                 int64_t dim, int64_t i, N n, float* out) {
  F32x16 sum[H][C];
  for (auto& head : sum) {
    for (auto& s : head) s = zero16();
  }
  for (int64_t j = 0; j < count; ++j) {
    F32x16 row[C];
    for (int c = 0; c < C; ++c) row[c] = load(rows[j] + i + 16 * c, n);
    for (int h = 0; h < H; ++h) {
      const F32x16 w = set16(weight[h * stride + j]);
      for (int c = 0; c < C; ++c) sum[h][c] = fma(w, row[c], sum[h][c]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int c = 0; c < C; ++c) store(out + h * dim + i + 16 * c, n, sum[h][c]);
  }
}

// out[h] = sum_j weight[h][j] rows[j], rows in order, for H vectors.
template <int H>
FATHOM_INLINE void combine_rows(const float* weight, int64_t stride, const float* const* rows, int64_t count,
                                int64_t dim, float* out) {
  int64_t i = 0;
  for (; i + 16 * kRowChunks <= dim; i += 16 * kRowChunks) {
    combine_chunk<H, kRowChunks>(weight, stride, rows, count, dim, i, Full{}, out);
  }
  for (; i + 16 <= dim; i += 16) combine_chunk<H, 1>(weight, stride, rows, count, dim, i, Full{}, out);
  if (i < dim) combine_chunk<H, 1>(weight, stride, rows, count, dim, i, dim - i, out);
}

// One of the terms that spread_rows adds: weight [H rows, stride apart][count] and vectors [H][dim].
struct SpreadTerm {
  const float* weight;
  const float* vectors;
};

template <int H, int T, int C, class N>
FATHOM_INLINE void spread_chunk(const SpreadTerm* terms, int64_t stride, int64_t count, int64_t dim,
                                int64_t i, N n, float* const* rows) {
  F32x16 v[H][T][C];
  for (int h = 0; h < H; ++h) {
    for (int k = 0; k < T; ++k) {
      for (int c = 0; c < C; ++c) v[h][k][c] = load(terms[k].vectors + h * dim + i + 16 * c, n);
    }
  }
  for (int64_t j = 0; j < count; ++j) {
    F32x16 sum[C];
    for (int c = 0; c < C; ++c) sum[c] = load(rows[j] + i + 16 * c, n);
    for (int h = 0; h < H; ++h) {
      for (int k = 0; k < T; ++k) {
        const F32x16 w = set16(terms[k].weight[h * stride + j]);
        for (int c = 0; c < C; ++c) sum[c] = fma(w, v[h][k][c], sum[c]);
      }
    }
    for (int c = 0; c < C; ++c) store(rows[j] + i + 16 * c, n, sum[c]);
  }
}

// rows[j] += sum_h sum_k terms[k].weight[h][j] terms[k].vectors[h], heads in order, terms in order.
template <int H, int T>
FATHOM_INLINE void spread_rows(const SpreadTerm* terms, int64_t stride, int64_t count, int64_t dim,
                               float* const* rows) {
  constexpr int kChunks = H * T > 1 && kRowChunks > 1 ? 2 : kRowChunks;
  int64_t i = 0;
  for (; i + 16 * kChunks <= dim; i += 16 * kChunks) {
    spread_chunk<H, T, kChunks>(terms, stride, count, dim, i, Full{}, rows);
  }
  for (; i + 16 <= dim; i += 16) spread_chunk<H, T, 1>(terms, stride, count, dim, i, Full{}, rows);
  if (i < dim) spread_chunk<H, T, 1>(terms, stride, count, dim, i, dim - i, rows);
}

// Calls f(first head, std::integral_constant<int, H>) over the heads: tiles of kTileHeads, then single ones.
template <class F>
FATHOM_INLINE void for_head_tiles(int64_t heads, const F& f) {
  int64_t h = 0;
  for (; h + kTileHeads <= heads; h += kTileHeads) f(h, std::integral_constant<int, kTileHeads>{});
  for (; h < heads; ++h) f(h, std::integral_constant<int, 1>{});
}

}  // namespace fathom::FATHOM_TARGET

// dx and dW of bfloat16 by VDPBF16PS: two elements of the sum a step, side by side in 32 bits.

namespace fathom::FATHOM_TARGET {

// Elements of two rows side by side: 16 words of 32 bits, the first row's low. n of them.
FATHOM_INLINE __m512i pair_rows(const void* low, const void* high, int64_t n) {
  const __mmask16 mask = first_lanes(n);
  const __m512i a = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, low));
  if (!high) return a;
  const __m512i b = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, high));
  return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

// Rows 2s and 2s + 1 (or none) into the panels of a group.
FATHOM_INLINE void pack_pair(const void* low, const void* high, int64_t cols, int64_t steps, int64_t s,
                             float* panels) {
  const auto at = [](const void* row, int64_t k) { return static_cast<const std::byte*>(row) + 2 * k; };
  for (int64_t k = 0; k < cols; k += kPanelCols, panels += steps * kPanelCols) {
    for (int64_t i = 0; i < kPanelCols; i += 16) {
      const int64_t n = std::clamp<int64_t>(cols - k - i, 0, 16);
      const __m512i pair = n > 0 ? pair_rows(at(low, k + i), high ? at(high, k + i) : nullptr, n) : __m512i{};
      _mm512_storeu_si512(panels + s * kPanelCols + i, pair);
    }
  }
}

// Columns [k, k + cols) of row o in bfloat16: in place where they are so stored (at any address), else in
// `out`.
FATHOM_INLINE const void* bf16_row(const WeightView& w, int64_t o, int64_t k, int64_t cols, float* decoded,
                                   Bf16* out) {
  if (linear_format(w) == LinearFormat::bf16) return w.data + o * w.row_bytes + k * 2;
  decode_any(w, o, std::min(o + 1, w.rows - 1), decoded);
  for (int64_t i = 0; i < cols; i += 16) {
    const auto n = std::min<int64_t>(16, cols - i);
    const __m512 v = _mm512_maskz_loadu_ps(first_lanes(n), decoded + k + i);
    _mm256_mask_storeu_epi16(out + i, first_lanes(n), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  }
  return out;
}

static void linear_dx_bf16(const Bf16* dy, int64_t rows, int64_t dy_stride, const WeightView& w,
                           int64_t first, int64_t last, float* dx, int64_t dx_stride, bool add) {
  const int64_t width = (w.cols + 31) / 32 * 32, most = std::min(kSumBlock, w.rows + 1) / 2;
  float* panels = panel_memory(most, width + kGroupCols);
  float* decoded = panels + most * kGroupCols;
  auto* low = reinterpret_cast<Bf16*>(decoded + width);
  for (int64_t k = first; k < last && !add && w.rows == 0; ++k) {
    for (int64_t t = 0; t < rows; ++t) dx[t * dx_stride + k] = 0;
  }
  for (int64_t o = 0; o < w.rows; o += kSumBlock) {
    const int64_t count = std::min(kSumBlock, w.rows - o), whole = count / 2, steps = (count + 1) / 2;
    for (int64_t k = first; k < last; k += kGroupCols) {
      const int64_t cols = std::min(kGroupCols, last - k);
      for (int64_t s = 0; s < steps; ++s) {
        const void* a = bf16_row(w, o + 2 * s, k, cols, decoded, low);
        const void* b = s < whole ? bf16_row(w, o + 2 * s + 1, k, cols, decoded, low + kGroupCols) : nullptr;
        pack_pair(a, b, cols, steps, s, panels);
      }
      for (int64_t t = 0; t < rows; t += kOuterRows) {
        const int64_t n = std::min<int64_t>(kOuterRows, rows - t);
        const Bf16* from = dy + t * dy_stride + o;
        float* to = dx + t * dx_stride + k;
        if (whole == steps) {
          const Broadcast a{reinterpret_cast<const std::byte*>(from), dy_stride * 2, 4};
          outer_rows<Bf16Outer, kOuterRows>(n, a, panels, steps, to, dx_stride, cols, add || o > 0);
          continue;
        }
        // An odd number: the pairs of the tile are copied, the last one completed by a zero.
        uint32_t* pairs = thread_scratch(ScratchSlot::activations).take<uint32_t>(kOuterRows * kSumBlock / 2);
        for (int64_t r = 0; r < n; ++r) {
          std::memcpy(pairs + r * steps, from + r * dy_stride, static_cast<size_t>(whole) * 4);
          pairs[r * steps + whole] = from[r * dy_stride + count - 1].bits;
        }
        const Broadcast a{reinterpret_cast<const std::byte*>(pairs), steps * 4, 4};
        outer_rows<Bf16Outer, kOuterRows>(n, a, panels, steps, to, dx_stride, cols, add || o > 0);
      }
    }
  }
}

static void linear_dw_bf16(const Bf16* dy, int64_t dy_stride, const Bf16* x, int64_t x_stride, int64_t rows,
                           int64_t outputs, int64_t cols, float* dw, int64_t dw_stride) {
  constexpr int64_t kMost = kSumBlock / 2;
  float* panels = panel_memory(kMost, kMost * 16);
  float* tile = panels + kMost * kGroupCols;
  for (int64_t t = 0; t < rows; t += kSumBlock) {
    const int64_t count = std::min(kSumBlock, rows - t), steps = (count + 1) / 2;
    const auto pair = [&](const Bf16* from, int64_t stride, int64_t s) {
      return 2 * s + 1 < count ? from + (t + 2 * s + 1) * stride : nullptr;
    };
    for (int64_t k = 0; k < cols; k += kGroupCols) {
      const int64_t n = std::min(kGroupCols, cols - k);
      for (int64_t s = 0; s < steps; ++s) {
        const Bf16* high = pair(x, x_stride, s);
        pack_pair(x + (t + 2 * s) * x_stride + k, high ? high + k : nullptr, n, steps, s, panels);
      }
      for (int64_t o = 0; o < outputs; o += kOuterRows) {
        const int64_t r = std::min<int64_t>(kOuterRows, outputs - o);
        for (int64_t s = 0; s < steps; ++s) {
          const Bf16* high = pair(dy, dy_stride, s);
          _mm512_storeu_si512(tile + s * 16,
                              pair_rows(dy + (t + 2 * s) * dy_stride + o, high ? high + o : nullptr, r));
        }
        const Broadcast a{reinterpret_cast<const std::byte*>(tile), 4, 64};
        outer_rows<Bf16Outer, kOuterRows>(r, a, panels, steps, dw + o * dw_stride + k, dw_stride, n, true);
      }
    }
  }
}

}  // namespace fathom::FATHOM_TARGET

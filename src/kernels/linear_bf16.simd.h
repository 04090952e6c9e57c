// y = x W^T of bfloat16 by VDPBF16PS: 32 products a step. FP8 and FP4 with power-of-two scales are exact in
// bfloat16 and come out of look-up tables (linear_tables.h) with their scale.

namespace fathom::FATHOM_TARGET {

// A decoder gives four steps of 32 values at a time: block(k, out) those of columns [k, k + 128), last(k,
// out) the rest of a row, padded with zeros.
// kOutputs: rows of weights at once, by what fits in the first-level cache with the rows fetched ahead, and
// in the registers.
struct Bf16InPlace {
  Bf16InPlace(const WeightView& w, int64_t row) : p(w.data + row * w.row_bytes), cols(w.cols) {}
  static constexpr int64_t kOutputs = 2;
  static constexpr int64_t bytes(int64_t values) { return values * 2; }
  void block(int64_t k, __m512i* out) const {
    for (int i = 0; i < 4; ++i) out[i] = _mm512_loadu_si512(p + (k + 32 * i) * 2);
  }
  void last(int64_t k, __m512i* out) const {
    for (int i = 0; k < cols; ++i, k += 32)
      out[i] = Bf16Dot::load(p + k * 2, std::min<int64_t>(32, cols - k));
  }
  const std::byte* p;
  int64_t cols;
};

struct Bf16FromFp8 {
  Bf16FromFp8(const WeightView& w, int64_t row)
      : p(w.data + row * w.row_bytes),
        scales(w.scale_layout == ScaleLayout::none ? nullptr
                                                   : reinterpret_cast<const uint8_t*>(w.scales) +
                                                         (w.scale_first_row + row) / 128 * w.scale_row_bytes),
        tables(fp8_bf16_tables()),
        cols(w.cols) {}
  static constexpr int64_t kOutputs = 4;
  static constexpr int64_t bytes(int64_t values) { return values; }
  void block(int64_t k, __m512i* out) const {
    const Table table(*this, k);
    table.decode(_mm512_loadu_si512(p + k), out);
    table.decode(_mm512_loadu_si512(p + k + 64), out + 2);
  }
  void last(int64_t k, __m512i* out) const {
    const Table table(*this, k);
    for (; k < cols; k += 64, out += 2) {
      const int64_t n = std::min<int64_t>(64, cols - k);
      const __mmask64 mask = n == 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1;
      table.decode(_mm512_maskz_loadu_epi8(mask, p + k), out);
    }
  }

  struct Table {
    Table(const Bf16FromFp8& row, int64_t k) {
      const Fp8Bf16Table& from = row.tables[row.scales ? row.scales[k / 128] : 127];
      low0 = _mm512_load_si512(from.low), low1 = _mm512_load_si512(from.low + 64);
      high0 = _mm512_load_si512(from.high), high1 = _mm512_load_si512(from.high + 64);
    }
    // 64 codes to two vectors in order of columns.
    void decode(__m512i codes, __m512i* out) const {
      // Interleaving works within quarters, so quarter i must hold eighths i and i + 4.
      codes = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes);
      const __m512i low = _mm512_permutex2var_epi8(low0, codes, low1);
      const __m512i high = _mm512_permutex2var_epi8(high0, codes, high1);
      const __m512i with_sign =
          _mm512_ternarylogic_epi32(high, codes, _mm512_set1_epi8(-128), 0xF8);  // a | (b & c)
      out[0] = _mm512_unpacklo_epi8(low, with_sign);
      out[1] = _mm512_unpackhi_epi8(low, with_sign);
    }
    __m512i low0, low1, high0, high1;
  };

  const std::byte* p;
  const uint8_t* scales;
  const Fp8Bf16Table* tables;
  int64_t cols;
};

// 32 packed E2M1 codes, in zmm registers' order of columns: quarter word w of quad i is shifted down from bit
// shift[4i + w] of the low eight bytes, or of the high eight where `high` has bit i. The look-up takes five
// bits, and the table is there twice, so the bit above the code does not matter.
FATHOM_INLINE __m512i decode_e2m1(const std::byte* packed, const Fp4Bf16Table& table, __mmask8 high,
                                  __m512i shift) {
  __m512i quads = _mm512_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(packed)));
  quads = _mm512_mask_broadcastq_epi64(quads, high,
                                       _mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(packed + 8)));
  const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(table.bits));
  return _mm512_permutexvar_epi16(_mm512_multishift_epi64_epi8(shift, quads), _mm512_broadcast_i64x4(values));
}

// The release's FP4: columns 2j and 2j + 1 in byte j, scales apart.
struct Bf16FromFp4 {
  static constexpr int64_t kOutputs = 4;
  Bf16FromFp4(const WeightView& w, int64_t row)
      : p(w.data + row * w.row_bytes),
        scales(w.scale_layout == ScaleLayout::none ? nullptr
                                                   : reinterpret_cast<const uint8_t*>(w.scales) +
                                                         (w.scale_first_row + row) * w.scale_row_bytes),
        tables(fp4_bf16_tables()),
        cols(w.cols) {}
  static constexpr int64_t bytes(int64_t values) { return values / 2; }
  // Constant offsets from two pointers: four rows' worth of addresses would not fit in the registers.
  void block(int64_t k, __m512i* out) const {
    const std::byte* codes = p + k / 2;
    const uint8_t* scale = scales ? scales + k / 32 : kOnes;
    for (int i = 0; i < 4; ++i) out[i] = decode(codes + 16 * i, scale[i]);
  }
  void last(int64_t k, __m512i* out) const {
    for (; k < cols; k += 32)
      *out++ = decode(p + k / 2, scales ? scales[k / 32] : kOnes[0]);  // 32 divides cols
  }
  __m512i decode(const std::byte* codes, uint8_t scale) const {
    const __m512i shift = _mm512_broadcast_i64x4(
        _mm256_setr_epi16(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60));
    return decode_e2m1(codes, tables[scale], 0xF0, shift);
  }
  static constexpr uint8_t kOnes[4] = {127, 127, 127, 127};
  const std::byte* p;
  const uint8_t* scales;
  const Fp4Bf16Table* tables;
  int64_t cols;
};

// GGUF's MXFP4: blocks of a scale byte and 16 bytes, columns j and j + 16 in byte j.
struct Bf16FromMxfp4 {
  Bf16FromMxfp4(const WeightView& w, int64_t row)
      : p(w.data + row * w.row_bytes), tables(fp4_bf16_tables()), cols(w.cols) {}
  static constexpr int64_t kOutputs = 4;
  static constexpr int64_t bytes(int64_t values) { return values / 32 * 17; }
  void block(int64_t k, __m512i* out) const {
    for (int i = 0; i < 4; ++i) out[i] = decode(k + 32 * i);
  }
  void last(int64_t k, __m512i* out) const {
    for (; k < cols; k += 32) *out++ = decode(k);
  }
  __m512i decode(int64_t k) const {
    const std::byte* block = p + bytes(k);
    const __m256i even = _mm256_setr_epi16(0, 8, 16, 24, 32, 40, 48, 56, 0, 8, 16, 24, 32, 40, 48, 56);
    const __m512i shift =
        _mm512_inserti64x4(_mm512_castsi256_si512(even), _mm256_add_epi16(even, _mm256_set1_epi16(4)), 1);
    return decode_e2m1(block + 1, tables[std::to_integer<uint8_t>(*block)], 0xCC, shift);
  }
  const std::byte* p;
  const Fp4Bf16Table* tables;
  int64_t cols;
};

template <class D, size_t... O>
static void one_row_bf16(const Bf16* x, const WeightView& w, int64_t first, float* y,
                         std::index_sequence<O...>) {
  constexpr int kOutputs = sizeof...(O);
  FetchAhead ahead(w, first + kOutputs, D::bytes(w.cols));
  const D rows[kOutputs] = {D(w, first + static_cast<int64_t>(O))...};
  V sum[kOutputs];
  for (V& s : sum) s = vzero();
  int64_t k = 0;
  for (; k + 128 <= w.cols; k += 128) {
    __m512i step[4];
    for (int i = 0; i < 4; ++i) step[i] = Bf16Dot::load(x + k + 32 * i);
    for (int o = 0; o < kOutputs; ++o) {
      ahead.next(D::bytes(128));
      __m512i weights[4];
      rows[o].block(k, weights);
      for (int i = 0; i < 4; ++i) sum[o] = dot_bf16(step[i], weights[i], sum[o]);
    }
  }
  if (k < w.cols) {
    for (int o = 0; o < kOutputs; ++o) {
      __m512i weights[4];
      rows[o].last(k, weights);
      for (int64_t j = k, i = 0; j < w.cols; j += 32, ++i) {
        sum[o] = dot_bf16(Bf16Dot::load(x + j, std::min<int64_t>(32, w.cols - j)), weights[i], sum[o]);
      }
    }
  }
  int o = 0;
  for (; o + 4 <= kOutputs; o += 4) vfold4(sum[o], sum[o + 1], sum[o + 2], sum[o + 3], y + o);
  for (; o < kOutputs; ++o) y[o] = vfold(sum[o]);
}

template <class D>
static void one_row_bf16(const Bf16* x, const WeightView& w, int64_t first, int64_t last, float* y) {
  constexpr int64_t kOutputs = D::kOutputs;
  int64_t o = first;
  for (; o + kOutputs <= last; o += kOutputs) {
    one_row_bf16<D>(x, w, o, y + o, std::make_index_sequence<kOutputs>());
  }
  for (; o < last; ++o) one_row_bf16<D>(x, w, o, y + o, std::make_index_sequence<1>());
}

// Row `row` of w as bfloat16 in out, which has room for a multiple of 128; fetches row `next`.
template <class D>
static void decode_bf16_to(const WeightView& w, int64_t row, int64_t next, Bf16* out) {
  const D decoder(w, row);
  FetchAhead ahead(w, next, D::bytes(w.cols));
  for (int64_t k = 0; k < w.cols; k += 128) {
    ahead.next(D::bytes(128));
    __m512i step[4] = {};
    k + 128 <= w.cols ? decoder.block(k, step) : decoder.last(k, step);
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(out + k + 32 * i, step[i]);
  }
}

// Rounds floats to bfloat16; both have room for a multiple of 32.
FATHOM_INLINE void round_to(const float* x, int64_t count, Bf16* out) {
  for (int64_t k = 0; k < count; k += 32) {
    const auto pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + k + 16), _mm512_loadu_ps(x + k));
    _mm512_storeu_si512(out + k, reinterpret_cast<__m512i>(pairs));
  }
}

static void linear_bf16(const Bf16* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                        int64_t last, float* y, int64_t y_stride) {
  const LinearFormat format = linear_format(w);
  const bool exact = exact_in_bf16(w);
  if (rows == 1 && exact) {
    if (format == LinearFormat::bf16) return one_row_bf16<Bf16InPlace>(x, w, first, last, y);
    if (format == LinearFormat::fp8) return one_row_bf16<Bf16FromFp8>(x, w, first, last, y);
    if (format == LinearFormat::fp4) return one_row_bf16<Bf16FromFp4>(x, w, first, last, y);
    if (w.dtype == DType::MXFP4) return one_row_bf16<Bf16FromMxfp4>(x, w, first, last, y);
  }
  // Many rows pay for a copy of the panel: in place, weight rows a power of two apart share cache sets, and
  // memory is waited for.
  if (format == LinearFormat::bf16 && rows < 4 * kTileRows) {
    return panels_in_place<Bf16Dot>(x, rows, x_stride, w, first, last, y, y_stride);
  }
  const int64_t width = (w.cols + 127) / 128 * 128 + 32;  // rows a power of two apart would share cache sets
  Bf16* buffer = thread_scratch(ScratchSlot::weights).take<Bf16>(panel_size<Bf16Dot>(rows, w.cols) * width);
  panels<Bf16Dot>(
      x, rows, x_stride, w.cols, first, last, y, y_stride,
      [&](int64_t o, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          Bf16* out = buffer + i * width;
          if (format == LinearFormat::bf16) {
            decode_bf16_to<Bf16InPlace>(w, o + i, o + i + n, out);
          } else if (exact && format == LinearFormat::fp8) {
            decode_bf16_to<Bf16FromFp8>(w, o + i, o + i + n, out);
          } else if (exact && format == LinearFormat::fp4) {
            decode_bf16_to<Bf16FromFp4>(w, o + i, o + i + n, out);
          } else if (w.dtype == DType::MXFP4) {
            decode_bf16_to<Bf16FromMxfp4>(w, o + i, o + i + n, out);
          } else {
            float* wide = thread_scratch(ScratchSlot::activations).take<float>(width);
            decode_any(w, o + i, o + i + n, wide);
            round_to(wide, w.cols, out);
          }
        }
        return WeightRows{reinterpret_cast<const std::byte*>(buffer), width * 2};
      },
      [](int64_t) { return nullptr; });
}

}  // namespace fathom::FATHOM_TARGET

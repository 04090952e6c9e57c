// Decoders of stored weights to vectors of floats, one per format. A decoder is made for one row; block(k) is
// called at each multiple of 32 before at(k), at(k + kLanes), ... give the values from there on, at(k, n) the
// last n of a row. Every value equals formats/decode.h's: scaled exactly, rounded once.

namespace fathom::FATHOM_TARGET {

// Prefetches the rows after those worked on, in order of addresses: the memory gives its whole bandwidth to
// one stream of consecutive lines, and little more than half to a stream per row.
class FetchAhead {
 public:
  FetchAhead(const WeightView& w, int64_t row, int64_t used_bytes)
      : at_(w.data + row * w.row_bytes), end_(at_ + used_bytes), used_(used_bytes), row_bytes_(w.row_bytes) {}
  // Call it for each `bytes` of rows worked on.
  void next(int64_t bytes) {
    owed_ += bytes;
    for (; owed_ >= 64; owed_ -= 64) {
      __builtin_prefetch(at_);
      at_ += 64;
      if (at_ >= end_) {
        at_ += row_bytes_ - used_;
        end_ = at_ + used_;
      }
    }
  }

 private:
  const std::byte *at_, *end_;
  int64_t used_, row_bytes_, owed_ = 0;
};

struct RowF32 {
  RowF32(const WeightView& w, int64_t row) : p(w.data + row * w.row_bytes) {}
  static constexpr int64_t bytes(int64_t values) { return values * 4; }
  void block(int64_t) {}
  V at(int64_t k) const { return vload(p + k * 4); }
  V at(int64_t k, int64_t n) const { return vload(p + k * 4, n); }
  const std::byte* p;
};

struct RowBf16 {
  RowBf16(const WeightView& w, int64_t row) : p(w.data + row * w.row_bytes) {}
  static constexpr int64_t bytes(int64_t values) { return values * 2; }
  void block(int64_t) {}
  V at(int64_t k) const { return vload_bf16(p + k * 2); }
  V at(int64_t k, int64_t n) const { return vload_bf16(p + k * 2, n); }
  const std::byte* p;
};

#if FATHOM_LEVEL >= 1

FATHOM_INLINE V broadcast(float x) {
#if FATHOM_LEVEL == 1
  return _mm256_set1_ps(x);
#else
  return _mm512_set1_ps(x);
#endif
}

// Half floats to floats; as many as V has.
FATHOM_INLINE V widen_f16(const void* p) {
#if FATHOM_LEVEL == 1
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i_u*>(p)));
#else
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i_u*>(p)));
#endif
}

struct RowF16 {
  RowF16(const WeightView& w, int64_t row) : p(w.data + row * w.row_bytes) {}
  static constexpr int64_t bytes(int64_t values) { return values * 2; }
  void block(int64_t) {}
  V at(int64_t k) const { return widen_f16(p + k * 2); }
  V at(int64_t k, int64_t n) const {
    uint16_t part[kLanes] = {};
    std::memcpy(part, p + k * 2, static_cast<size_t>(n) * 2);
    return widen_f16(part);
  }
  const std::byte* p;
};

// The scales of a row: UE8M0 bytes or floats, or none, which is 1.
struct RowScales {
  RowScales(const WeightView& w, int64_t row, int64_t block_rows)
      : p(w.scale_layout == ScaleLayout::none
              ? nullptr
              : w.scales + (w.scale_first_row + row) / block_rows * w.scale_row_bytes),
        is_float(w.scale_dtype == DType::F32) {}
  float at(int64_t index) const {
    if (!p) return 1.0f;
    if (is_float) {
      float scale;
      std::memcpy(&scale, p + index * 4, 4);
      return scale;
    }
    return ue8m0_to_float(static_cast<uint8_t>(p[index]));
  }
  const std::byte* p;
  bool is_float;
};

// E4M3 codes to floats by way of half floats: seen as one, the code shifted to half's exponent has 2^-8 of
// its value, denormals included.
FATHOM_INLINE V widen_e4m3(const void* p) {
#if FATHOM_LEVEL == 1
  const __m128i codes = _mm_cvtepi8_epi16(_mm_loadl_epi64(static_cast<const __m128i*>(p)));
  __m128i half = _mm_and_si128(_mm_slli_epi16(codes, 7), _mm_set1_epi16(static_cast<int16_t>(0xBF80)));
  const __m128i top = _mm_set1_epi16(0x3F80);  // magnitude 0x7F is NaN: all exponent bits set
  const __m128i nan = _mm_cmpeq_epi16(_mm_and_si128(half, top), top);
  half = _mm_or_si128(half, _mm_and_si128(nan, _mm_set1_epi16(0x7C00)));
  return _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256.0f));
#else
  const __m256i codes = _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i_u*>(p)));
  __m256i half =
      _mm256_and_si256(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(static_cast<int16_t>(0xBF80)));
  const __m256i top = _mm256_set1_epi16(0x3F80);
  const __mmask16 nan = _mm256_cmpeq_epi16_mask(_mm256_and_si256(half, top), top);
  half = _mm256_or_si256(half, _mm256_maskz_set1_epi16(nan, 0x7C00));
  return _mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(256.0f));
#endif
}

FATHOM_INLINE V vscale(V a, V b) {
#if FATHOM_LEVEL == 1
  return _mm256_mul_ps(a, b);
#else
  return _mm512_mul_ps(a, b);
#endif
}

struct RowFp8 {
  RowFp8(const WeightView& w, int64_t row) : p(w.data + row * w.row_bytes), scales(w, row, 128) {}
  static constexpr int64_t bytes(int64_t values) { return values; }
  void block(int64_t k) {
    if (k % 128 == 0) scale = broadcast(scales.at(k / 128));
  }
  V at(int64_t k) const { return vscale(widen_e4m3(p + k), scale); }
  V at(int64_t k, int64_t n) const {
    uint8_t part[kLanes] = {};
    std::memcpy(part, p + k, static_cast<size_t>(n));
    return vscale(widen_e4m3(part), scale);
  }
  const std::byte* p;
  RowScales scales;
  V scale{};
};

// FP4: 32 codes and one scale at a time.
struct RowFp4 {
  RowFp4(const WeightView& w, int64_t row) : p(w.data + row * w.row_bytes), scales(w, row, 1) {}
  static constexpr int64_t bytes(int64_t values) { return values / 2; }
  void block(int64_t k) {
    unpack(_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p + k / 2)), scales.at(k / 32));
  }
  V at(int64_t k) const {
    const auto* code = codes + k % 32;
#if FATHOM_LEVEL == 1
    return _mm256_mul_ps(
        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(code)))),
        scaled);
#else
    return _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(code))),
                                 scaled);
#endif
  }
  V at(int64_t k, int64_t) const { return at(k); }  // cols is a multiple of 32: never called with fewer lanes

  void unpack(__m128i packed, float scale) {
    const __m128i mask = _mm_set1_epi8(15);
    __m128i even = _mm_and_si128(packed, mask), odd = _mm_and_si128(_mm_srli_epi16(packed, 4), mask);
#if FATHOM_LEVEL == 1  // twice the value, as an integer
    const __m128i twice = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
    even = _mm_shuffle_epi8(twice, even), odd = _mm_shuffle_epi8(twice, odd);
    scaled = _mm256_set1_ps(scale * 0.5f);
#else
    scaled = _mm512_mul_ps(_mm512_setr_ps(0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f, -0.0f, -0.5f, -1.0f,
                                          -1.5f, -2.0f, -3.0f, -4.0f, -6.0f),
                           _mm512_set1_ps(scale));
#endif
    _mm_store_si128(reinterpret_cast<__m128i*>(codes), _mm_unpacklo_epi8(even, odd));
    _mm_store_si128(reinterpret_cast<__m128i*>(codes + 16), _mm_unpackhi_epi8(even, odd));
  }

  const std::byte* p;
  RowScales scales;
  V scaled{};                     // the scale (AVX2), or the 16 values times the scale
  alignas(16) uint8_t codes[32];  // in order of columns
};

#endif

}  // namespace fathom::FATHOM_TARGET

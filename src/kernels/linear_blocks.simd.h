// Decoders of ggml's blocks to floats, 16 values at a time. All products here are exact in fp32, so every
// value equals formats/ggml_blocks.h's; the layouts are described there.

#if FATHOM_LEVEL >= 1
namespace fathom::FATHOM_TARGET {

FATHOM_INLINE F32x16 from_i8(__m128i v) {
#if FATHOM_LEVEL == 1
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)))};
#else
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(v))};
#endif
}
FATHOM_INLINE __m128i load16(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p));
}
FATHOM_INLINE F32x16 half_at(const uint8_t* p) {
  Half half;
  std::memcpy(&half, p, sizeof(half));
  return set16(to_float(half));
}
FATHOM_INLINE F32x16 small(int value) { return set16(static_cast<float>(value)); }
// Bits [shift, shift + width) of each byte.
FATHOM_INLINE __m128i field(__m128i bytes, int shift, int mask) {
  return _mm_and_si128(_mm_srl_epi16(bytes, _mm_cvtsi32_si128(shift)),
                       _mm_set1_epi8(static_cast<char>(mask)));
}

FATHOM_INLINE void decode_q8_0(const uint8_t* block, float* out) {
  const F32x16 d = half_at(block);
  store(out, from_i8(load16(block + 2)) * d);
  store(out + 16, from_i8(load16(block + 18)) * d);
}

FATHOM_INLINE void decode_mxfp4(const uint8_t* block, float* out) {
  const __m128i twice = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  const F32x16 d = set16(ue8m0_to_float(block[0]) * 0.5f);
  const __m128i codes = load16(block + 1);
  store(out, from_i8(_mm_shuffle_epi8(twice, field(codes, 0, 15))) * d);
  store(out + 16, from_i8(_mm_shuffle_epi8(twice, field(codes, 4, 15))) * d);
}

FATHOM_INLINE void decode_q2_k(const uint8_t* block, float* out) {
  const F32x16 d = half_at(block + 80), dmin = half_at(block + 82);
  for (int group = 0; group < 16; ++group) {
    const __m128i bytes = load16(block + 16 + group / 8 * 32 + group % 2 * 16);
    const int scale = block[group];
    store(out + 16 * group,
          from_i8(field(bytes, group % 8 / 2 * 2, 3)) * (d * small(scale & 15)) - dmin * small(scale >> 4));
  }
}

FATHOM_INLINE void decode_q4_k(const uint8_t* block, float* out) {
  const F32x16 d = half_at(block), dmin = half_at(block + 2);
  const uint8_t* packed = block + 4;
  for (int group = 0; group < 8; ++group) {
    int scale, min;
    if (group < 4) {
      scale = packed[group] & 63;
      min = packed[group + 4] & 63;
    } else {
      scale = (packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4);
      min = (packed[group + 4] >> 4) | (packed[group] >> 6 << 4);
    }
    const F32x16 times = d * small(scale), less = dmin * small(min);
    for (int i = 0; i < 32; i += 16) {
      const __m128i bytes = load16(block + 16 + group / 2 * 32 + i);
      store(out + 32 * group + i, from_i8(field(bytes, group % 2 * 4, 15)) * times - less);
    }
  }
}

FATHOM_INLINE void decode_iq2_xxs(const uint8_t* block, float* out) {
  const uint64_t* grid = iq2_xxs_magnitudes();
  const F32x16 d = half_at(block);
  for (int group = 0; group < 8; ++group, out += 32) {
    const uint8_t* entries = block + 2 + group * 8;
    uint32_t bits;
    std::memcpy(&bits, entries + 4, sizeof(bits));
    const F32x16 scale = d * set16((0.5f + static_cast<float>(bits >> 28)) * 0.25f);
    for (int k = 0; k < 4; k += 2) {
      const __m128i magnitudes =
          _mm_set_epi64x(static_cast<int64_t>(grid[entries[k + 1]]), static_cast<int64_t>(grid[entries[k]]));
      const int signs = iq2_xxs_signs((bits >> (7 * k)) & 127) | iq2_xxs_signs((bits >> (7 * k + 7)) & 127)
                                                                     << 8;
      // Byte i gets sign bit i as 0 or -1, and becomes (value ^ sign) - sign.
      const __m128i bit = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
      const __m128i spread = _mm_shuffle_epi8(_mm_cvtsi32_si128(signs),
                                              _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
      const __m128i sign = _mm_cmpeq_epi8(_mm_and_si128(spread, bit), bit);
      store(out + 8 * k, from_i8(_mm_sub_epi8(_mm_xor_si128(magnitudes, sign), sign)) * scale);
    }
  }
}

// A row of blocks to floats; fetches row `next`.
template <class F>
FATHOM_INLINE void decode_blocks(const WeightView& w, int64_t row, int64_t next, float* out,
                                 const F& decode) {
  const int64_t values = block_values(w.dtype), bytes = block_bytes(w.dtype);
  const auto* block = reinterpret_cast<const uint8_t*>(w.data + row * w.row_bytes);
  const std::byte* fetch = w.data + next * w.row_bytes;
  for (int64_t k = 0; k < w.cols; k += values, block += bytes, fetch += bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(fetch + i);
    decode(block, out + k);
  }
}

// Whether w's format is one of these.
FATHOM_INLINE bool decode_ggml_to(const WeightView& w, int64_t row, int64_t next, float* out) {
  switch (w.dtype) {
    case DType::Q8_0:
      return decode_blocks(w, row, next, out, [](auto... a) { decode_q8_0(a...); }), true;
    case DType::MXFP4:
      return decode_blocks(w, row, next, out, [](auto... a) { decode_mxfp4(a...); }), true;
    case DType::Q2_K:
      return decode_blocks(w, row, next, out, [](auto... a) { decode_q2_k(a...); }), true;
    case DType::Q4_K:
      return decode_blocks(w, row, next, out, [](auto... a) { decode_q4_k(a...); }), true;
    case DType::IQ2_XXS:
      return decode_blocks(w, row, next, out, [](auto... a) { decode_iq2_xxs(a...); }), true;
    default:
      return false;
  }
}

}  // namespace fathom::FATHOM_TARGET
#endif

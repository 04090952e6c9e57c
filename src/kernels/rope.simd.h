namespace fathom::FATHOM_TARGET {

static void rope(float* x, int64_t rows, int64_t row_stride, int64_t heads, int64_t head_stride,
                 int64_t pairs, const float* cos, const float* sin, bool inverse) {
  // (a, b) becomes (a c - b s, b c + a s): the vector times c plus its neighbours times s, one of the two
  // negated.
  constexpr uint32_t kSign = 0x80000000u;
  alignas(64) static constexpr uint32_t kEven[17] = {kSign, 0, kSign, 0, kSign, 0, kSign, 0, kSign, 0,
                                                     kSign, 0, kSign, 0, kSign, 0, kSign};
  const U32x16 negative = as_bits(load(kEven + (inverse ? 1 : 0)));
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      float* v = x + t * row_stride + h * head_stride;
      for_lanes(2 * pairs, [&](int64_t i, auto n) {
        const F32x16 c = load_pairs(cos + t * pairs + i / 2, n), s = load_pairs(sin + t * pairs + i / 2, n);
        const F32x16 a = load(v + i, n);
        store(v + i, n, a * c + as_float(as_bits(swap<1>(a) * s) ^ negative));
      });
    }
  }
}

}  // namespace fathom::FATHOM_TARGET

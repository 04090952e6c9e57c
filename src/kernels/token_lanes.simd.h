// Tokens in the lanes: for matrices too small to fill a vector.

namespace fathom::FATHOM_TARGET {

// Values of 16 tokens side by side: element i of each in one vector. The lanes beyond `count` are zero.
FATHOM_INLINE void load_tokens(const float* from, int64_t stride, int64_t count, int64_t width, F32x16* to) {
  for (int64_t i = 0; i < width; ++i) {
    float lanes[16] = {};
    for (int64_t t = 0; t < count; ++t) lanes[t] = from[t * stride + i];
    to[i] = load(lanes);
  }
}
FATHOM_INLINE void store_tokens(const F32x16* from, int64_t stride, int64_t count, int64_t width, float* to) {
  for (int64_t i = 0; i < width; ++i) {
    float lanes[16];
    store(lanes, from[i]);
    for (int64_t t = 0; t < count; ++t) to[t * stride + i] = lanes[t];
  }
}

}  // namespace fathom::FATHOM_TARGET

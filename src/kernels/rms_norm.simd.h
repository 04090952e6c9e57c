namespace fathom::FATHOM_TARGET {

static void rms_norm(const float* x, const float* weight, float eps, int64_t rows, int64_t dim, float* y,
                     float* inv_rms) {
  for (int64_t t = 0; t < rows; ++t, x += dim) {
    F32x16 sum = zero16();
    for_lanes(dim, [&](int64_t i, auto n) {
      const F32x16 v = load(x + i, n);
      sum = fma(v, v, sum);
    });
    const float scale = 1.0f / std::sqrt(fold(sum) / static_cast<float>(dim) + eps);
    if (y) {
      for_lanes(dim, [&](int64_t i, auto n) {
        const F32x16 v = load(x + i, n) * set16(scale);
        store(y + i, n, weight ? v * load(weight + i, n) : v);
      });
      y += dim;
    }
    if (inv_rms) inv_rms[t] = scale;
  }
}

static void rms_norm_backward(const float* x, const float* weight, const float* inv_rms, const float* dy,
                              int64_t rows, int64_t dim, float* dx, float* dweight, bool add) {
  for (int64_t t = 0; t < rows; ++t, x += dim, dy += dim, dx += dim) {
    F32x16 sum = zero16();
    for_lanes(dim, [&](int64_t i, auto n) {
      const F32x16 g = load(dy + i, n);
      sum = fma(weight ? g * load(weight + i, n) : g, load(x + i, n), sum);
    });
    const float s = inv_rms[t];
    const F32x16 scale = set16(s), back = set16(s * s * s * (fold(sum) / static_cast<float>(dim)));
    for_lanes(dim, [&](int64_t i, auto n) {
      const F32x16 d = load(dy + i, n), v = load(x + i, n);
      if (dweight) store(dweight + i, n, fma(d, v * scale, load(dweight + i, n)));
      const F32x16 g = scale * (weight ? d * load(weight + i, n) : d) - v * back;
      store(dx + i, n, add ? load(dx + i, n) + g : g);
    });
  }
}

}  // namespace fathom::FATHOM_TARGET

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

}  // namespace fathom::FATHOM_TARGET

namespace fathom::FATHOM_TARGET {

static void swiglu(const float* gate, const float* up, const float* route, float limit, int64_t rows,
                   int64_t inter, float* act) {
  for (int64_t t = 0; t < rows; ++t) {
    const F32x16 weight = set16(route ? route[t] : 1.0f);
    for_lanes(inter, [&](int64_t i, auto n) {
      F32x16 g = load(gate + t * inter + i, n), u = load(up + t * inter + i, n);
      if (limit > 0) {
        g = min(set16(limit), g);
        u = max(set16(-limit), min(set16(limit), u));
      }
      store(act + t * inter + i, n, g / (set16(1.0f) + exp16(negate(g))) * u * weight);
    });
  }
}

static void sqrt_softplus(const float* z, int64_t count, float* s) {
  for_lanes(count, [&](int64_t i, auto n) {
    const F32x16 v = load(z + i, n);
    const F32x16 softplus = max(zero16(), v) + log1p16(exp16(negate(abs16(v))));
    store(s + i, n, select(less(v, set16(-15.0f)), exp16(v * set16(0.5f)), sqrt16(softplus)));
  });
}

}  // namespace fathom::FATHOM_TARGET

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

static void swiglu_backward(const float* gate, const float* up, const float* route, float limit,
                            const float* d_act, int64_t rows, int64_t inter, float* act, float* d_gate,
                            float* d_up, float* d_route) {
  const F32x16 one = set16(1.0f), high = set16(limit), low = set16(-limit);
  for (int64_t t = 0; t < rows; ++t) {
    const F32x16 weight = set16(route ? route[t] : 1.0f);
    F32x16 sum = zero16();
    const int64_t row = t * inter;
    for_lanes(inter, [&](int64_t i, auto n) {
      const F32x16 raw_g = load(gate + row + i, n), raw_u = load(up + row + i, n);
      const F32x16 d = load(d_act + row + i, n), weighted = d * weight;
      F32x16 g = raw_g, u = raw_u;
      if (limit > 0) {
        g = min(high, g);
        u = max(low, min(high, u));
      }
      const F32x16 below = one + exp16(negate(g)), silu = g / below, sigmoid = one / below;
      const F32x16 product = silu * u;
      store(act + row + i, n, product * weight);
      sum = fma(d, product, sum);
      F32x16 dg = weighted * u * (sigmoid * fma(g, one - sigmoid, one)), du = weighted * silu;
      if (limit > 0) {
        dg = select(less_equal(raw_g, high), dg, zero16());
        du = select(less_equal(abs16(raw_u), high), du, zero16());
      }
      store(d_gate + row + i, n, dg);
      store(d_up + row + i, n, du);
    });
    if (d_route) d_route[t] = fold(sum);
  }
}

static void sqrt_softplus_backward(const float* z, const float* s, const float* ds, int64_t count,
                                   float* dz) {
  for_lanes(count, [&](int64_t i, auto n) {
    const F32x16 v = load(z + i, n), root = load(s + i, n);
    const F32x16 slope = select(less(v, set16(-15.0f)), root * set16(0.5f), sigmoid16(v) / (root + root));
    store(dz + i, n, load(ds + i, n) * slope);
  });
}

}  // namespace fathom::FATHOM_TARGET

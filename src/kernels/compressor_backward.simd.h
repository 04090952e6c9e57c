namespace fathom::FATHOM_TARGET {

static void pool_window_backward(const float* const* values, const float* const* gates, int64_t count,
                                 int64_t dim, const float* dout, float* const* dvalues,
                                 float* const* dgates) {
  for_lanes(dim, [&](int64_t c, auto n) {
    F32x16 mx = load(gates[0] + c, n);
    for (int64_t t = 1; t < count; ++t) mx = max(mx, load(gates[t] + c, n));
    F32x16 total = zero16(), pooled = zero16();
    for (int64_t t = 0; t < count; ++t) {
      const F32x16 weight = exp16(load(gates[t] + c, n) - mx);
      store(dvalues[t] + c, n, weight);  // kept there until its turn
      total = total + weight;
      pooled = fma(weight, load(values[t] + c, n), pooled);
    }
    const F32x16 scale = load(dout + c, n) / total;
    pooled = pooled / total;
    for (int64_t t = 0; t < count; ++t) {
      const F32x16 dvalue = load(dvalues[t] + c, n) * scale;
      store(dvalues[t] + c, n, dvalue);
      store(dgates[t] + c, n, dvalue * (load(values[t] + c, n) - pooled));
    }
  });
}

}  // namespace fathom::FATHOM_TARGET

namespace fathom::FATHOM_TARGET {

static void pool_window(const float* const* values, const float* const* gates, int64_t count, int64_t dim,
                        float* out) {
  for_lanes(dim, [&](int64_t c, auto n) {
    F32x16 mx = load(gates[0] + c, n);
    for (int64_t t = 1; t < count; ++t) mx = max(mx, load(gates[t] + c, n));
    F32x16 total = zero16(), sum = zero16();
    for (int64_t t = 0; t < count; ++t) {
      const F32x16 weight = exp16(load(gates[t] + c, n) - mx);
      total = total + weight;
      sum = fma(weight, load(values[t] + c, n), sum);
    }
    store(out + c, n, sum / total);
  });
}

}  // namespace fathom::FATHOM_TARGET

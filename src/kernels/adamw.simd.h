namespace fathom::FATHOM_TARGET {

static void adamw(float* p, const float* g, float* m, float* v, int64_t count, const AdamwStep<float>& step) {
  const F32x16 keep = set16(1 - step.rate * step.decay), rate = set16(-step.rate), eps = set16(step.eps);
  const F32x16 beta1 = set16(step.beta1), rest1 = set16(1 - step.beta1),
               correction1 = set16(step.correction1);
  const F32x16 beta2 = set16(step.beta2), rest2 = set16(1 - step.beta2),
               correction2 = set16(step.correction2);
  for_lanes(count, [&](int64_t i, auto n) {
    const F32x16 gradient = load(g + i, n);
    const F32x16 mean = fma(beta1, load(m + i, n), rest1 * gradient);
    const F32x16 square = fma(beta2, load(v + i, n), rest2 * gradient * gradient);
    store(m + i, n, mean);
    store(v + i, n, square);
    const F32x16 move = (mean / correction1) / (sqrt16(square / correction2) + eps);
    store(p + i, n, fma(rate, move, load(p + i, n) * keep));
  });
}

}  // namespace fathom::FATHOM_TARGET

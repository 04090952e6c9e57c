namespace fathom::FATHOM_TARGET {

static void softmax_sums(const float* logits, int64_t rows, int64_t stride, int64_t cols, float* max,
                         float* sum) {
  if (cols == 0) return;
  for (int64_t t = 0; t < rows; ++t, logits += stride) {
    float most = max[t];
    for_lanes(cols, [&](int64_t j, auto n) {
      float part[16];  // lanes without a column repeat the first one of the step
      std::fill_n(part, 16, logits[j]);
      store(part, n, load(logits + j, n));
      most = std::max(most, fold_max(load(part)));
    });
    F32x16 total = zero16();
    const F32x16 top = set16(most);
    for_lanes(cols, [&](int64_t j, auto n) {
      float part[16] = {};
      store(part, n, exp16(load(logits + j, n) - top));
      total = total + load(part);
    });
    float before[16];
    store(before, exp16(set16(max[t]) - top));
    sum[t] = sum[t] * before[0] + fold(total);
    max[t] = most;
  }
}

static void cross_entropy_backward(float* logits, int64_t rows, int64_t stride, int64_t cols,
                                   const float* max, const float* sum, const int64_t* label,
                                   const float* factor) {
  for (int64_t t = 0; t < rows; ++t, logits += stride) {
    const F32x16 top = set16(max[t]), share = set16(1.0f / sum[t]), scale = set16(factor[t]);
    const int64_t at = label[t];
    float own = 0;
    if (at >= 0 && at < cols) {
      float p[16];
      store(p, exp16(set16(logits[at]) - top) * share);
      own = factor[t] * (p[0] - 1.0f);
    }
    for_lanes(cols, [&](int64_t j, auto n) {
      store(logits + j, n, scale * (exp16(load(logits + j, n) - top) * share));
    });
    if (at >= 0 && at < cols) logits[at] = own;
  }
}

}  // namespace fathom::FATHOM_TARGET

namespace fathom::FATHOM_TARGET {

// Bits of a float in the order of values: NaN lowest, -0 like +0.
FATHOM_INLINE uint32_t ordered(float x) {
  if (x != x) return 0;
  const auto bits = std::bit_cast<uint32_t>(x + 0.0f);
  return (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
}

// The scores by their upper 12 bits into buckets, then only the bucket that holds the k-th largest is sorted
// out.
static int64_t top_k(const float* scores, int64_t count, int64_t k, int32_t* ids) {
  if (k <= 0 || count <= 0) return 0;
  if (count <= k) {
    for (int64_t i = 0; i < count; ++i) ids[i] = static_cast<int32_t>(i);
    return count;
  }
  uint32_t* keys = thread_scratch(ScratchSlot::scores).take<uint32_t>(count);
  uint32_t buckets[4096] = {};
  for (int64_t i = 0; i < count; ++i) ++buckets[(keys[i] = ordered(scores[i])) >> 20];
  int64_t above = 0;  // scores in higher buckets
  uint32_t bucket = 4095;
  for (; above + buckets[bucket] < k; --bucket) above += buckets[bucket];
  const int64_t within = buckets[bucket];
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {  // kept <= i: in place
    const uint32_t key = keys[i];
    keys[kept] = key;
    kept += key >> 20 == bucket ? 1 : 0;
  }
  const int64_t rank = k - above;  // of the last one taken, in its bucket
  std::nth_element(keys, keys + (rank - 1), keys + within, std::greater<>());
  const uint32_t threshold = keys[rank - 1];
  int64_t equal = rank;  // how many of the threshold's value are taken: all larger ones are
  for (int64_t i = 0; i < rank; ++i) equal -= keys[i] > threshold ? 1 : 0;

  int64_t taken = 0;
  const auto visit = [&](int64_t i) {
    const uint32_t key = ordered(scores[i]);
    if (key > threshold || (key == threshold && equal-- > 0)) ids[taken++] = static_cast<int32_t>(i);
  };
  if (threshold == 0) {  // NaNs are among those taken
    for (int64_t i = 0; i < count; ++i) visit(i);
    return taken;
  }
  const F32x16 limit =
      set16(std::bit_cast<float>((threshold >> 31) != 0 ? threshold & 0x7FFFFFFFu : ~threshold));
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (uint32_t found = lane_bits(less_equal(limit, load(scores + i))); found != 0; found &= found - 1) {
      visit(i + std::countr_zero(found));
    }
  }
  for (; i < count; ++i) visit(i);
  return taken;
}

}  // namespace fathom::FATHOM_TARGET

#include <limits>

#include "tests/kernels/kernel_cases.h"

namespace fathom {
namespace {

void check_top_k(Target target, const std::vector<float>& scores, int64_t k) {
  const auto count = static_cast<int64_t>(scores.size());
  const auto room = static_cast<size_t>(std::max<int64_t>(0, std::min(k, count)));
  std::vector<int32_t> got(room + 1, -7), expected(room + 1, -7);
  const int64_t n = kernels_for(target).top_k(scores.data(), count, k, got.data());
  CHECK(n == reference_kernels<float>().top_k(scores.data(), count, k, expected.data()));
  CHECK(got == expected);
}

}  // namespace

void test::kernel_cases_top_k(Target target) {
  Values values(21);
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const int64_t count : {0, 1, 15, 16, 17, 100, 3000}) {
    for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{5}, int64_t{64}, count - 1, count, count + 1}) {
      if (k < 0) continue;
      CAPTURE(count);
      CAPTURE(k);
      check_top_k(target, values.vector(count, -1, 1), k);
      std::vector<float> few, zeros, broken,
          large;  // ties, zeros of both signs, NaN and infinities, huge range
      for (int64_t i = 0; i < count; ++i) {
        few.push_back(static_cast<float>(values.below(5)) - 2);
        zeros.push_back(values.below(3) == 0 ? values.uniform(0, 1) : values.below(2) == 0 ? 0.0f : -0.0f);
        const float special[] = {nan, -nan, inf, -inf, 0.0f, 1.0f};
        broken.push_back(special[values.below(6)]);
        large.push_back(std::ldexp(values.uniform(), static_cast<int>(values.below(250)) - 125));
      }
      check_top_k(target, few, k);
      check_top_k(target, zeros, k);
      check_top_k(target, broken, k);
      check_top_k(target, large, k);
    }
  }
}

}  // namespace fathom

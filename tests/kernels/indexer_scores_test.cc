#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_indexer_scores(Target target) {
  Values values(20);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::f64}) {
    for (const int64_t heads : {1, 4, 16, 33, 64, 80}) {
      for (const int64_t dim : {2, 32, 37}) {
        for (const int64_t count : {0, 1, 4, 17}) {
          CAPTURE(heads);
          CAPTURE(dim);
          CAPTURE(count);
          const auto q = values.vector(heads * dim), weights = values.vector(heads);
          const int64_t row_bytes = dim * row_type_bytes(type) + 1;
          std::vector<std::byte> keys(static_cast<size_t>(1 + count * row_bytes));
          for (int64_t i = 0; i < count; ++i) {
            store_row(type, values.vector(dim).data(), dim, keys.data() + 1 + i * row_bytes);
          }
          const auto got = check_kernel(target, 4e-6, [&]<class Real>(const Kernels<Real>& k) {
            std::vector<Real> scores(static_cast<size_t>(count));
            k.indexer_scores(as<Real>(q).data(), as<Real>(weights).data(), heads, dim, keys.data() + 1,
                             row_bytes, count, type, scores.data());
            return scores;
          });
          if (count > 2) {  // part of the keys: the same bits
            std::vector<float> part(static_cast<size_t>(count - 2));
            kernels_for(target).indexer_scores(q.data(), weights.data(), heads, dim,
                                               keys.data() + 1 + 2 * row_bytes, row_bytes, count - 2, type,
                                               part.data());
            CHECK(same_bits(part, std::vector<float>(got.begin() + 2, got.end())));
          }
        }
      }
    }
  }
}

}  // namespace fathom

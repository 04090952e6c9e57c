#include "tests/kernels/kernel_cases.h"

namespace fathom {

void test::kernel_cases_attention(Target target) {
  Values values(19);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::f64}) {
    for (const int64_t heads : {1, 3, 4, 9}) {
      for (const int64_t dim : {4, 16, 37, 64, 136}) {
        for (const int64_t count : {0, 1, 17, 63, 64, 65, 200}) {
          CAPTURE(heads);
          CAPTURE(dim);
          CAPTURE(count);
          const auto q = values.vector(heads * dim, -2, 2), sink = values.vector(heads, -3, 3);
          // Rows at odd offsets, in no order.
          const int64_t row_bytes = dim * row_type_bytes(type) + 3;
          std::vector<std::byte> memory(static_cast<size_t>(1 + count * row_bytes));
          std::vector<const std::byte*> rows;
          for (int64_t j = 0; j < count; ++j) {
            std::byte* row = memory.data() + 1 + (count - 1 - j) * row_bytes;
            store_row(type, values.vector(dim, -2, 2).data(), dim, row);
            rows.push_back(row);
          }
          const auto got = check_kernel(target, 3e-6, [&]<class Real>(const Kernels<Real>& k) {
            std::vector<Real> out(static_cast<size_t>(heads * dim), Real(77));
            k.attention(as<Real>(q).data(), heads, dim, rows.data(), count, type, as<Real>(sink).data(),
                        Real(0.125f), out.data());
            return out;
          });
          // A head alone has the same bits: threads may split heads.
          std::vector<float> alone(static_cast<size_t>(dim));
          kernels_for(target).attention(q.data() + (heads - 1) * dim, 1, dim, rows.data(), count, type,
                                        &sink.back(), 0.125f, alone.data());
          CHECK(same_bits(alone, std::vector<float>(got.end() - dim, got.end())));
        }
      }
    }
  }
  // Scores far apart, and a sink of minus infinity (no sink): weights as softmax gives them.
  const std::vector<float> q = {100}, rows_f32 = {-1, 0.5f, 1};
  std::vector<const std::byte*> rows;
  for (const float& row : rows_f32) rows.push_back(reinterpret_cast<const std::byte*>(&row));
  const float no_sink = -INFINITY;
  float out = 0;
  kernels_for(target).attention(q.data(), 1, 1, rows.data(), 3, RowType::f32, &no_sink, 1, &out);
  CHECK(out == 1);
  const float sink = 100;
  kernels_for(target).attention(q.data(), 1, 1, rows.data(), 3, RowType::f32, &sink, 1, &out);
  CHECK(out == doctest::Approx(0.5));
}

}  // namespace fathom

// Backward of the attention core: every target against the double reference, the reference against finite
// differences of attention().

#include <algorithm>

#include "tests/kernels/kernel_cases.h"
#include "tests/support/finite_differences.h"

namespace fathom {
namespace {

// Rows of `type` at odd offsets, in no order.
struct Rows {
  std::vector<std::byte> memory;
  std::vector<const std::byte*> at;
  Rows(test::Values& values, RowType type, int64_t count, int64_t dim) {
    const int64_t row_bytes = dim * row_type_bytes(type) + 3;
    memory.resize(static_cast<size_t>(1 + count * row_bytes));
    for (int64_t j = 0; j < count; ++j) {
      std::byte* row = memory.data() + 1 + (count - 1 - j) * row_bytes;
      store_row(type, values.vector(dim, -2, 2).data(), dim, row);
      at.push_back(row);
    }
  }
};

constexpr int64_t kHeads[] = {1, 3, 4, 9}, kDims[] = {4, 16, 37, 64, 136}, kCounts[] = {0, 1, 17, 64, 65};

template <class Real>
std::vector<const std::byte*> row_pointers(const std::vector<Real>& rows, int64_t dim) {
  std::vector<const std::byte*> out;
  for (size_t i = 0; i < rows.size(); i += static_cast<size_t>(dim)) {
    out.push_back(reinterpret_cast<const std::byte*>(rows.data() + i));
  }
  return out;
}

}  // namespace

void test::kernel_cases_attention_backward(Target target) {
  Values values(41);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::f64}) {
    for (const int64_t heads : kHeads) {
      for (const int64_t dim : kDims) {
        for (const int64_t count : kCounts) {
          CAPTURE(heads);
          CAPTURE(dim);
          CAPTURE(count);
          const auto q = values.vector(heads * dim), sink = values.vector(heads, -3, 3),
                     dout = values.vector(heads * dim), before = values.vector(count * dim + heads);
          const Rows rows(values, type, count, dim);
          check_kernel(target, 1e-5, [&]<class Real>(const Kernels<Real>& k) {
            // dq, then the rows' gradients and the sinks', which are added to.
            auto out = as<Real>(before);
            std::vector<Real*> drows;
            for (int64_t j = 0; j < count; ++j) drows.push_back(out.data() + j * dim);
            std::vector<Real> dq(static_cast<size_t>(heads * dim), Real(77));
            k.attention_backward(as<Real>(q).data(), heads, dim, rows.at.data(), count, type,
                                 as<Real>(sink).data(), Real(0.25f), as<Real>(dout).data(), dq.data(),
                                 drows.data(), out.data() + count * dim);
            out.insert(out.end(), dq.begin(), dq.end());
            return out;
          });
        }
      }
    }
  }
}

void test::kernel_cases_attention_mass(Target target) {
  Values values(42);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::f64}) {
    for (const int64_t heads : kHeads) {
      for (const int64_t dim : kDims) {
        for (const int64_t count : kCounts) {
          CAPTURE(heads);
          CAPTURE(dim);
          CAPTURE(count);
          const auto q = values.vector(heads * dim), sink = values.vector(heads, -3, 3);
          const Rows rows(values, type, count, dim);
          const auto got = check_kernel(target, 1e-5, [&]<class Real>(const Kernels<Real>& k) {
            std::vector<Real> mass(static_cast<size_t>(count), Real(77));
            k.attention_mass(as<Real>(q).data(), heads, dim, rows.at.data(), count, type,
                             as<Real>(sink).data(), Real(0.25f), mass.data());
            return mass;
          });
          double sum = 0;
          for (const float m : got) sum += m;
          CHECK(sum < static_cast<double>(heads) + 1e-5);  // the rest lies on the sinks
          CHECK((count == 0 || sum > 0));
        }
      }
    }
  }
}

TEST_CASE("attention_backward is the gradient of attention") {
  test::Values values(43);
  const int64_t heads = 3, dim = 6, count = 9;
  auto q = test::as<double>(values.vector(heads * dim, -2, 2)),
       rows = test::as<double>(values.vector(count * dim, -2, 2)),
       sink = test::as<double>(values.vector(heads, -1, 1));
  const auto dout = test::as<double>(values.vector(heads * dim));
  const auto at = row_pointers(rows, dim);
  const Kernels<double>& k = reference_kernels<double>();
  const double scale = 0.4;
  const auto loss = [&] {
    std::vector<double> out(q.size());
    k.attention(q.data(), heads, dim, at.data(), count, RowType::f64, sink.data(), scale, out.data());
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
    return sum;
  };
  std::vector<double> dq(q.size()), drows(rows.size()), dsink(sink.size());
  std::vector<double*> drow_at;
  for (int64_t j = 0; j < count; ++j) drow_at.push_back(drows.data() + j * dim);
  k.attention_backward(q.data(), heads, dim, at.data(), count, RowType::f64, sink.data(), scale, dout.data(),
                       dq.data(), drow_at.data(), dsink.data());
  test::check_gradient("q", loss, q, dq);
  test::check_gradient("rows", loss, rows, drows);
  test::check_gradient("sink", loss, sink, dsink);
}

TEST_CASE("attention_mass is what attention gives to each row") {
  test::Values values(44);
  const int64_t heads = 5, dim = 12, count = 12;  // rows: unit vectors, so that out holds the weights
  const auto q = values.vector(heads * dim, -2, 2), sink = values.vector(heads);
  std::vector<float> rows(static_cast<size_t>(count * dim));
  for (int64_t j = 0; j < count; ++j) rows[static_cast<size_t>(j * dim + j)] = 1;
  const auto at = row_pointers(rows, dim);
  for (const Target target : available_targets()) {
    const Kernels<float>& k = kernels_for(target);
    std::vector<float> out(q.size()), mass(static_cast<size_t>(count));
    k.attention(q.data(), heads, dim, at.data(), count, RowType::f32, sink.data(), 1, out.data());
    k.attention_mass(q.data(), heads, dim, at.data(), count, RowType::f32, sink.data(), 1, mass.data());
    for (int64_t j = 0; j < count; ++j) {
      float sum = 0;
      for (int64_t h = 0; h < heads; ++h) sum += out[static_cast<size_t>(h * dim + j)];
      CHECK(mass[static_cast<size_t>(j)] == doctest::Approx(sum).epsilon(1e-5));
    }
  }
}

}  // namespace fathom

#include "tests/kernels/kernel_cases.h"
#include "tests/support/finite_differences.h"

namespace fathom {
namespace {

// Pointers to rows [count, dim], last row first.
template <class Real, class Row = Real>
std::vector<Row*> backwards(std::vector<Real>& rows, int64_t dim) {
  std::vector<Row*> out;
  for (auto i = static_cast<int64_t>(rows.size()); i > 0; i -= dim) out.push_back(rows.data() + i - dim);
  return out;
}

}  // namespace

void test::kernel_cases_pool_window_backward(Target target) {
  Values values(51);
  for (const int64_t count : {1, 3, 8, 128}) {
    for (const int64_t dim : {1, 16, 37, 128}) {
      CAPTURE(count);
      CAPTURE(dim);
      const auto rows = values.vector(count * dim, -3, 3), gates = values.vector(count * dim, -20, 20),
                 dout = values.vector(dim);
      check_kernel(target, 3e-6, [&]<class Real>(const Kernels<Real>& k) {
        auto v = as<Real>(rows), g = as<Real>(gates);
        std::vector<Real> dv(v.size(), Real(77)), dg(v.size(), Real(77));
        k.pool_window_backward(backwards<Real, const Real>(v, dim).data(),
                               backwards<Real, const Real>(g, dim).data(), count, dim, as<Real>(dout).data(),
                               backwards(dv, dim).data(), backwards(dg, dim).data());
        dv.insert(dv.end(), dg.begin(), dg.end());
        return dv;
      });
    }
  }
}

TEST_CASE("pool_window_backward is the gradient of pool_window") {
  test::Values values(52);
  const int64_t count = 8, dim = 5;
  auto rows = test::as<double>(values.vector(count * dim, -2, 2)),
       gates = test::as<double>(values.vector(count * dim, -2, 2));
  const auto dout = test::as<double>(values.vector(dim));
  const auto row_at = backwards<double, const double>(rows, dim),
             gate_at = backwards<double, const double>(gates, dim);
  const Kernels<double>& k = reference_kernels<double>();
  const auto loss = [&] {
    std::vector<double> out(dout.size());
    k.pool_window(row_at.data(), gate_at.data(), count, dim, out.data());
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dout[i];
    return sum;
  };
  std::vector<double> drows(rows.size()), dgates(gates.size());
  k.pool_window_backward(row_at.data(), gate_at.data(), count, dim, dout.data(), backwards(drows, dim).data(),
                         backwards(dgates, dim).data());
  test::check_gradient("values", loss, rows, drows);
  test::check_gradient("gates", loss, gates, dgates);
}

}  // namespace fathom

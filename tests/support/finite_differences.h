#pragma once
/// Gradients held to central finite differences in double.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace fathom::test {

/// d f / d *at: the fourth-order central difference, whose error is about 1e-11 of f at the default step for
/// functions that vary on a scale of 1.
template <class F>
double central_difference(const F& f, double* at, double step = 1e-3) {
  const double x = *at;
  const auto value = [&](double offset) {
    *at = x + offset;
    return f();
  };
  const double near = value(step) - value(-step), far = value(2 * step) - value(-2 * step);
  *at = x;
  return (8 * near - far) / (12 * step);
}

/// Checks the gradient of f() with respect to x [count], element by element (every `every`-th): the
/// difference over the largest magnitude of the gradient.
template <class F>
void check_gradient(const std::string& what, const F& f, double* x, const double* gradient, int64_t count,
                    double tolerance = 1e-6, int64_t every = 1, double step = 1e-3) {
  double largest = 1e-30, worst = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(gradient[i]));
  int64_t at = 0;
  for (int64_t i = 0; i < count; i += every) {
    const double difference = std::abs(central_difference(f, x + i, step) - gradient[i]);
    if (!(difference <= worst)) worst = difference, at = i;
  }
  CAPTURE(what);
  CAPTURE(at);
  CAPTURE(largest);
  CHECK(worst / largest <= tolerance);
}
template <class F>
void check_gradient(const std::string& what, const F& f, std::vector<double>& x,
                    const std::vector<double>& gradient, double tolerance = 1e-6, int64_t every = 1,
                    double step = 1e-3) {
  REQUIRE(x.size() == gradient.size());
  check_gradient(what, f, x.data(), gradient.data(), static_cast<int64_t>(x.size()), tolerance, every, step);
}

}  // namespace fathom::test

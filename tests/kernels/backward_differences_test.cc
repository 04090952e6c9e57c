// The reference of every backward kernel of one row's arithmetic against finite differences of its forward
// reference, in double.

#include <doctest/doctest.h>

#include <random>

#include "kernels/kernels.h"
#include "tests/support/finite_differences.h"

namespace fathom {
namespace {

using Vector = std::vector<double>;
constexpr double kBound = 1e-6;

class Random {
 public:
  Vector vector(int64_t count, double low = -1, double high = 1) {
    Vector v(static_cast<size_t>(count));
    for (double& x : v) x = low + (high - low) * static_cast<double>(engine_()) / 0x1p32;
    return v;
  }

 private:
  std::mt19937 engine_{5};
};

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST_CASE("rms_norm") {
  Random random;
  const int64_t rows = 3, dim = 7;
  Vector x = random.vector(rows * dim, -2, 2), weight = random.vector(dim, 0.5, 2), y(x.size()), inv(3);
  const Vector dy = random.vector(rows * dim);
  for (const bool weighted : {true, false}) {
    const auto f = [&] {
      rms_norm_reference<double>(x.data(), weighted ? weight.data() : nullptr, 1e-2, rows, dim, y.data(),
                                 inv.data());
      return dot(dy, y);
    };
    f();
    Vector dx(x.size()), dweight(weight.size());
    rms_norm_backward_reference<double>(x.data(), weighted ? weight.data() : nullptr, inv.data(), dy.data(),
                                        rows, dim, dx.data(), dweight.data(), false);
    test::check_gradient("x", f, x, dx);
    if (weighted) test::check_gradient("weight", f, weight, dweight);
  }
}

TEST_CASE("swiglu") {
  Random random;
  const int64_t rows = 4, inter = 9;
  for (const double limit : {1.5, 0.0}) {
    Vector gate = random.vector(rows * inter, -3, 3), up = random.vector(rows * inter, -3, 3);
    Vector route = random.vector(rows, 0.2, 1), act(gate.size()), again(gate.size());
    for (double& v : gate) v += std::abs(v - 1.5) < 0.01 ? 0.1 : 0;  // not at the clamp's edge
    for (double& v : up) v += std::abs(std::abs(v) - 1.5) < 0.01 ? 0.1 : 0;
    const Vector d = random.vector(rows * inter);
    const auto f = [&] {
      swiglu_reference<double>(gate.data(), up.data(), route.data(), limit, rows, inter, act.data());
      return dot(d, act);
    };
    f();
    Vector d_gate(gate.size()), d_up(gate.size()), d_route(route.size());
    swiglu_backward_reference<double>(gate.data(), up.data(), route.data(), limit, d.data(), rows, inter,
                                      again.data(), d_gate.data(), d_up.data(), d_route.data());
    CHECK(again == act);
    test::check_gradient("gate", f, gate, d_gate);
    test::check_gradient("up", f, up, d_up);
    test::check_gradient("route", f, route, d_route);
  }
}

TEST_CASE("sqrt_softplus") {
  Vector z = {-30, -20, -15.1, -14.9, -8, -1, -1e-3, 0, 0.5, 3, 20, 60}, s(z.size()), dz(z.size());
  for (size_t i = 0; i < z.size(); ++i) {  // each by itself: the slopes are of all sizes
    Vector one = {z[i]}, root(1), slope(1);
    const Vector unit = {1};
    const auto f = [&] {
      sqrt_softplus_reference<double>(one.data(), 1, root.data());
      return root[0];
    };
    f();
    sqrt_softplus_backward_reference<double>(one.data(), root.data(), unit.data(), 1, slope.data());
    const double exact = test::central_difference(f, one.data());
    CHECK(std::abs(slope[0] - exact) <= kBound * exact);
  }
}

TEST_CASE("hc_mix") {
  Random random;
  for (const int64_t n : {1, 2, 4}) {
    const int64_t rows = 3, width = (2 + n) * n;
    Vector z = random.vector(rows * width, -2, 2), inv = random.vector(rows, 0.5, 1.5);
    Vector scale = random.vector(3, 0.5, 1.5), base = random.vector(width);
    const Vector d = random.vector(rows * width);
    const double* d_pre = d.data();
    const double* d_post = d_pre + rows * n;
    const double* d_comb = d_post + rows * n;
    Vector out(static_cast<size_t>(rows * width));
    const auto f = [&] {
      hc_mix_reference<double>(z.data(), inv.data(), scale.data(), base.data(), rows, n, 20, 1e-6, out.data(),
                               out.data() + rows * n, out.data() + 2 * rows * n);
      return dot(d, out);
    };
    Vector dz(z.size()), d_inv(inv.size()), d_scale(3), d_base(base.size());
    hc_mix_backward_reference<double>(z.data(), inv.data(), scale.data(), base.data(), rows, n, 20, 1e-6,
                                      d_pre, d_post, d_comb, dz.data(), d_inv.data(), d_scale.data(),
                                      d_base.data());
    test::check_gradient("z", f, z, dz);
    test::check_gradient("inv", f, inv, d_inv);
    test::check_gradient("scale", f, scale, d_scale);
    test::check_gradient("base", f, base, d_base);
  }
}

TEST_CASE("hc_collapse") {
  Random random;
  const int64_t rows = 2, n = 3, dim = 5;
  Vector streams = random.vector(rows * n * dim), pre = random.vector(rows * n), x(10);
  const Vector dx = random.vector(rows * dim);
  const auto f = [&] {
    hc_collapse_reference<double>(streams.data(), pre.data(), rows, n, dim, x.data());
    return dot(dx, x);
  };
  Vector d_streams(streams.size()), d_pre(pre.size());
  hc_collapse_backward_reference<double>(streams.data(), pre.data(), dx.data(), rows, n, dim,
                                         d_streams.data(), d_pre.data());
  test::check_gradient("streams", f, streams, d_streams);
  test::check_gradient("pre", f, pre, d_pre);
}

TEST_CASE("hc_apply") {
  Random random;
  const int64_t rows = 2, n = 3, dim = 5;
  Vector streams = random.vector(rows * n * dim), y = random.vector(rows * dim),
         post = random.vector(rows * n), comb = random.vector(rows * n * n);
  const Vector d = random.vector(rows * n * dim);
  const auto f = [&] {
    Vector after = streams;
    hc_apply_reference<double>(after.data(), y.data(), post.data(), comb.data(), rows, n, dim);
    return dot(d, after);
  };
  Vector d_streams = d, dy(y.size()), d_post(post.size()), d_comb(comb.size());
  hc_apply_backward_reference<double>(streams.data(), y.data(), post.data(), comb.data(), rows, n, dim,
                                      d_streams.data(), dy.data(), d_post.data(), d_comb.data());
  test::check_gradient("streams", f, streams, d_streams);
  test::check_gradient("y", f, y, dy);
  test::check_gradient("post", f, post, d_post);
  test::check_gradient("comb", f, comb, d_comb);
}

TEST_CASE("cross entropy in blocks") {
  Random random;
  const int64_t rows = 3, cols = 11, split = 4;
  Vector logits = random.vector(rows * cols, -3, 3), max(3), sum(3);
  const int64_t label[] = {2, 10, 4};
  const Vector factor = {0.5, -1, 2};
  const auto sums = [&] {
    max = Vector(3, -INFINITY), sum = Vector(3);
    softmax_sums_reference<double>(logits.data(), rows, cols, split, max.data(), sum.data());
    softmax_sums_reference<double>(logits.data() + split, rows, cols, cols - split, max.data(), sum.data());
  };
  const auto f = [&] {
    sums();
    double loss = 0;
    for (size_t t = 0; t < 3; ++t) {
      loss += factor[t] * (max[t] + std::log(sum[t]) - logits[t * 11 + static_cast<size_t>(label[t])]);
    }
    return loss;
  };
  sums();
  Vector d = logits;
  const int64_t second[] = {label[0] - split, label[1] - split, label[2] - split};
  cross_entropy_backward_reference<double>(d.data(), rows, cols, split, max.data(), sum.data(), label,
                                           factor.data());
  cross_entropy_backward_reference<double>(d.data() + split, rows, cols, cols - split, max.data(), sum.data(),
                                           second, factor.data());
  test::check_gradient("logits", f, logits, d);
}

TEST_CASE("linear") {
  Random random;
  const int64_t rows = 3, outputs = 4, cols = 5;
  Vector x = random.vector(rows * cols), w = random.vector(outputs * cols), y(12);
  const Vector dy = random.vector(rows * outputs);
  const WeightView view = weight_view(w.data(), outputs, cols);
  const auto f = [&] {
    linear_reference<double>(x.data(), rows, cols, view, 0, outputs, y.data(), outputs);
    return dot(dy, y);
  };
  Vector dx(x.size(), 7.0), dw(w.size());
  linear_dx_reference<double>(dy.data(), rows, outputs, view, 0, cols, dx.data(), cols, false);
  linear_dw_reference<double>(dy.data(), outputs, x.data(), cols, rows, outputs, cols, dw.data(), cols);
  test::check_gradient("x", f, x, dx);
  test::check_gradient("w", f, w, dw);
}

}  // namespace
}  // namespace fathom

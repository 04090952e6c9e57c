// linear_dx and linear_dw, float and bf16: against products in double over every stored format, and the same
// bits however rows, outputs and columns are cut.

#include <algorithm>
#include <functional>

#include "tests/kernels/weights.h"

namespace fathom {
namespace {

struct Shape {
  int64_t rows, outputs, cols;
};
// The sum goes over outputs (dx) or rows (dw): 512 is a block of it.
constexpr Shape kShapes[] = {{0, 3, 5},    {1, 1, 1},     {5, 7, 3},     {12, 16, 32},
                             {17, 33, 70}, {13, 520, 20}, {1030, 14, 9}, {30, 5, 300}};

struct Values2d {
  std::vector<float> wide;
  std::vector<Bf16> narrow;  // wide is rounded to it, if bf16
};

Values2d random_rows(int64_t count, bool bf16, test::Values& values) {
  Values2d made{values.vector(count), {}};
  for (float& v : made.wide) {
    if (bf16) v = round_bf16(v);
    made.narrow.push_back(to_bf16(v));
  }
  return made;
}

// got is near sum, a sum of products whose absolute values add up to `products`.
bool near(float got, double sum, double products) {
  return std::abs(static_cast<double>(got) - sum) <= 1e-6 * (products + std::abs(sum)) + 1e-12;
}

using Dx = std::function<void(const Values2d& dy, int64_t t, int64_t rows, int64_t stride,
                              const WeightView& w, int64_t first, int64_t last, float* dx, bool add)>;

void check_dx(const test::WeightFormat& format, bool bf16, const Dx& dx) {
  test::Values values(71);
  const int64_t unit = block_values(format.dtype);
  for (Shape shape : kShapes) {
    if (unit > 1) shape.cols = (shape.cols + 31) / std::max<int64_t>(unit, 32) * std::max<int64_t>(unit, 32);
    if (shape.cols == 0) continue;
    CAPTURE(format.name);
    CAPTURE(shape.outputs);
    CAPTURE(shape.cols);
    const auto stored = test::random_weight(format, shape.outputs, shape.cols, 1, values);
    const int64_t stride = shape.outputs + 3, cols = shape.cols;
    const Values2d dy = random_rows(shape.rows * stride, bf16, values);
    const auto before = values.vector(shape.rows * cols);
    auto all = before;
    dx(dy, 0, shape.rows, stride, stored.view, 0, cols, all.data(), true);

    std::vector<double> exact(before.begin(), before.end()), products(exact.size());
    std::vector<double> weights(static_cast<size_t>(cols));
    for (double& p : exact) products[static_cast<size_t>(&p - exact.data())] = std::abs(p);
    for (int64_t o = 0; o < shape.outputs; ++o) {
      decode_row(stored.view, o, weights.data());
      for (int64_t t = 0; t < shape.rows; ++t) {
        for (int64_t k = 0; k < cols; ++k) {
          double v = weights[static_cast<size_t>(k)];
          if (bf16) v = static_cast<double>(round_bf16(static_cast<float>(v)));
          v *= static_cast<double>(dy.wide[static_cast<size_t>(t * stride + o)]);
          exact[static_cast<size_t>(t * cols + k)] += v;
          products[static_cast<size_t>(t * cols + k)] += std::abs(v);
        }
      }
    }
    bool right = true;
    for (size_t i = 0; i < all.size(); ++i) right = right && near(all[i], exact[i], products[i]);
    CHECK(right);

    // Set instead of added; then in pieces of rows and columns.
    std::vector<float> set(before.size(), 5.0f), zeros(before.size()), pieces(before.size(), 5.0f);
    dx(dy, 0, shape.rows, stride, stored.view, 0, cols, set.data(), false);
    dx(dy, 0, shape.rows, stride, stored.view, 0, cols, zeros.data(), true);
    CHECK(std::equal(set.begin(), set.end(), zeros.begin()));
    for (int64_t t = 0; t < shape.rows; t += 5) {
      for (int64_t k = 0; k < cols; k += 37) {
        dx(dy, t, std::min<int64_t>(5, shape.rows - t), stride, stored.view, k, std::min(cols, k + 37),
           pieces.data() + t * cols, false);
      }
    }
    CHECK(test::same_bits(set, pieces));
  }
}

using Dw = std::function<void(const Values2d& dy, int64_t o, int64_t dy_stride, const Values2d& x, int64_t k,
                              int64_t x_stride, int64_t rows, int64_t outputs, int64_t cols, float* dw,
                              int64_t dw_stride)>;

void check_dw(bool bf16, const Dw& dw) {
  test::Values values(72);
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.rows);
    CAPTURE(shape.outputs);
    const int64_t y_stride = shape.outputs + 1, x_stride = shape.cols + 2, cols = shape.cols;
    const Values2d dy = random_rows(shape.rows * y_stride, bf16, values);
    const Values2d x = random_rows(shape.rows * x_stride, bf16, values);
    const auto before = values.vector(shape.outputs * cols);
    auto all = before;
    dw(dy, 0, y_stride, x, 0, x_stride, shape.rows, shape.outputs, cols, all.data(), cols);
    bool right = true;
    for (int64_t o = 0; o < shape.outputs; ++o) {
      for (int64_t k = 0; k < cols; ++k) {
        double sum = static_cast<double>(before[static_cast<size_t>(o * cols + k)]), products = std::abs(sum);
        for (int64_t t = 0; t < shape.rows; ++t) {
          const double v = static_cast<double>(dy.wide[static_cast<size_t>(t * y_stride + o)]) *
                           static_cast<double>(x.wide[static_cast<size_t>(t * x_stride + k)]);
          sum += v;
          products += std::abs(v);
        }
        right = right && near(all[static_cast<size_t>(o * cols + k)], sum, products);
      }
    }
    CHECK(right);
    auto pieces = before;
    for (int64_t o = 0; o < shape.outputs; o += 7) {
      for (int64_t k = 0; k < cols; k += 33) {
        dw(dy, o, y_stride, x, k, x_stride, shape.rows, std::min<int64_t>(7, shape.outputs - o),
           std::min<int64_t>(33, cols - k), pieces.data() + o * cols + k, cols);
      }
    }
    CHECK(test::same_bits(all, pieces));
  }
}

}  // namespace

void test::kernel_cases_linear_dx(Target target) {
  auto* const kernel = kernels_for(target).linear_dx;
  for (const WeightFormat& format : weight_formats()) {
    check_dx(format, false,
             [&](const Values2d& dy, int64_t t, int64_t rows, int64_t stride, const WeightView& w,
                 int64_t first, int64_t last, float* dx, bool add) {
               kernel(dy.wide.data() + t * stride, rows, stride, w, first, last, dx, w.cols, add);
             });
  }
}

void test::kernel_cases_linear_dx_bf16(Target target) {
  auto* const kernel = kernels_for(target).linear_dx_bf16;
  for (const WeightFormat& format : weight_formats()) {
    check_dx(format, true,
             [&](const Values2d& dy, int64_t t, int64_t rows, int64_t stride, const WeightView& w,
                 int64_t first, int64_t last, float* dx, bool add) {
               kernel(dy.narrow.data() + t * stride, rows, stride, w, first, last, dx, w.cols, add);
             });
  }
}

void test::kernel_cases_linear_dw(Target target) {
  auto* const kernel = kernels_for(target).linear_dw;
  check_dw(false, [&](const Values2d& dy, int64_t o, int64_t dy_stride, const Values2d& x, int64_t k,
                      int64_t x_stride, int64_t rows, int64_t outputs, int64_t cols, float* dw,
                      int64_t dw_stride) {
    kernel(dy.wide.data() + o, dy_stride, x.wide.data() + k, x_stride, rows, outputs, cols, dw, dw_stride);
  });
}

void test::kernel_cases_linear_dw_bf16(Target target) {
  auto* const kernel = kernels_for(target).linear_dw_bf16;
  check_dw(true,
           [&](const Values2d& dy, int64_t o, int64_t dy_stride, const Values2d& x, int64_t k,
               int64_t x_stride, int64_t rows, int64_t outputs, int64_t cols, float* dw, int64_t dw_stride) {
             kernel(dy.narrow.data() + o, dy_stride, x.narrow.data() + k, x_stride, rows, outputs, cols, dw,
                    dw_stride);
           });
}

}  // namespace fathom

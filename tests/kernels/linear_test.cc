// linear and linear_bf16: every stored format against the double reference, and the same bits however rows
// and outputs are cut.

#include "tests/kernels/weights.h"

namespace fathom {
namespace {

constexpr float kUntouched = 12345.0f;

struct Shape {
  int64_t cols, outputs, skip;
};

// The last ones are longer than two of the blocks that K is cut into.
std::vector<Shape> shapes(DType dtype) {
  const int64_t unit = block_values(dtype);
  if (unit > 2) return {{0, 3, 0}, {unit, 5, 1}, {3 * unit, 11, 2}, {2304, 5, 0}};
  if (unit == 2) return {{0, 3, 0}, {32, 5, 1}, {96, 11, 2}, {160, 9, 0}, {416, 20, 3}, {2080, 5, 0}};
  return {{0, 3, 0},      {1, 1, 0},      {7, 5, 1},   {16, 4, 0},     {31, 8, 1},  {33, 9, 0},
          {100, 13, 120}, {130, 17, 127}, {257, 6, 0}, {645, 10, 125}, {2100, 9, 0}};
}

// Runs a kernel on rows [t0, t1) and outputs [first, last) into a fresh y.
template <class Kernel, class X>
std::vector<float> run(Kernel* kernel, const std::vector<X>& x, int64_t rows, int64_t x_stride,
                       const WeightView& w, int64_t first, int64_t last) {
  std::vector<float> y(static_cast<size_t>(rows * (w.rows + 2)), kUntouched);
  kernel(x.data(), rows, x_stride, w, first, last, y.data(), w.rows + 2);
  return y;
}

// `products`: sum |x| |w| of an output, the unit of the rounding error.
template <class Kernel, class X>
void check_all(Kernel* kernel, bool rounds_weights, const test::WeightFormat& format, uint32_t seed) {
  test::Values values(seed);
  for (const Shape& shape : shapes(format.dtype)) {
    CAPTURE(format.name);
    CAPTURE(shape.cols);
    const auto stored = test::random_weight(format, shape.outputs, shape.cols, shape.skip, values);
    const WeightView& w = stored.view;
    constexpr int64_t kRows = 17;
    const int64_t stride = shape.cols + 3;
    std::vector<X> x(static_cast<size_t>(kRows * stride + 1));
    std::vector<double> exact(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const float value = values.uniform();
      if constexpr (std::is_same_v<X, Bf16>) {
        x[i] = to_bf16(value);
        exact[i] = static_cast<double>(to_float(x[i]));
      } else {
        x[i] = value;
        exact[i] = static_cast<double>(value);
      }
    }
    const auto all = run(kernel, x, kRows, stride, w, 0, w.rows);
    std::vector<double> row(static_cast<size_t>(w.cols));
    bool near = true, untouched = true;
    for (int64_t o = 0; o < w.rows; ++o) {
      decode_row(w, o, row.data());
      for (int64_t t = 0; t < kRows; ++t) {
        double sum = 0, products = 0;
        for (int64_t k = 0; k < w.cols; ++k) {
          double weight = row[static_cast<size_t>(k)];
          if (rounds_weights) weight = static_cast<double>(round_bf16(static_cast<float>(weight)));
          sum += exact[static_cast<size_t>(t * stride + k)] * weight;
          products += std::abs(exact[static_cast<size_t>(t * stride + k)] * weight);
        }
        const auto got = static_cast<double>(all[static_cast<size_t>(t * (w.rows + 2) + o)]);
        near = near && std::abs(got - sum) <= 4e-7 * products;
      }
    }
    CHECK(near);
    for (int64_t t = 0; t < kRows; ++t) {
      for (int64_t o = w.rows; o < w.rows + 2; ++o) {
        untouched = untouched && all[static_cast<size_t>(t * (w.rows + 2) + o)] == kUntouched;
      }
    }
    CHECK(untouched);
    CHECK(run(kernel, x, 0, stride, w, 0, w.rows).empty());

    // The same bits for any rows and any outputs.
    bool same = true;
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 12}) {
      const auto part = run(kernel, x, rows, stride, w, 0, w.rows);
      same = same && std::memcmp(part.data(), all.data(), part.size() * sizeof(float)) == 0;
    }
    CHECK(same);
    for (const int64_t rows : {int64_t{1}, kRows}) {
      for (int64_t first = 0; first < w.rows; first += 3) {
        const int64_t last = std::min(w.rows, first + 1 + first % 7);
        const auto part = run(kernel, x, rows, stride, w, first, last);
        for (int64_t t = 0; t < rows; ++t) {
          for (int64_t o = 0; o < w.rows + 2; ++o) {
            const auto i = static_cast<size_t>(t * (w.rows + 2) + o);
            const float expected = o >= first && o < last ? all[i] : kUntouched;
            same = same && std::memcmp(&part[i], &expected, sizeof(float)) == 0;
          }
        }
      }
    }
    CHECK(same);
  }
}

// Rows of the unit matrix read the weights one by one: each is the decoder's value exactly, bfloat16's if
// rounded.
template <class Kernel, class X>
void check_values(Kernel* kernel, bool rounds_weights, const test::WeightFormat& format, uint32_t seed) {
  test::Values values(seed);
  const int64_t unit = block_values(format.dtype);
  const int64_t cols = unit > 2 ? 512 : unit == 2 ? 96 : 150;
  const auto stored = test::random_weight(format, 5, cols, 1, values);
  const WeightView& w = stored.view;
  std::vector<X> x(static_cast<size_t>(cols * cols));
  for (int64_t k = 0; k < cols; ++k) {
    if constexpr (std::is_same_v<X, Bf16>) {
      x[static_cast<size_t>(k * cols + k)] = to_bf16(1);
    } else {
      x[static_cast<size_t>(k * cols + k)] = 1;
    }
  }
  const auto y = run(kernel, x, cols, cols, w, 0, w.rows);
  std::vector<float> row(static_cast<size_t>(cols));
  int64_t wrong = 0;
  for (int64_t o = 0; o < w.rows; ++o) {
    decode_row(w, o, row.data());
    for (int64_t k = 0; k < cols; ++k) {
      const float value = row[static_cast<size_t>(k)];
      const float expected = rounds_weights ? round_bf16(value) : value;
      wrong += y[static_cast<size_t>(k * (w.rows + 2) + o)] == expected ? 0 : 1;
    }
  }
  CAPTURE(format.name);
  CHECK(wrong == 0);
}

}  // namespace

void test::kernel_cases_linear(Target target) {
  uint32_t seed = 1;
  for (const auto& format : weight_formats()) {
    check_all<Linear<float>, float>(kernels_for(target).linear, false, format, seed);
    check_values<Linear<float>, float>(kernels_for(target).linear, false, format, seed++);
  }
}

void test::kernel_cases_linear_bf16(Target target) {
  uint32_t seed = 101;
  for (const auto& format : weight_formats()) {
    check_all<LinearBf16, Bf16>(kernels_for(target).linear_bf16, true, format, seed);
    check_values<LinearBf16, Bf16>(kernels_for(target).linear_bf16, true, format, seed++);
  }
}

}  // namespace fathom

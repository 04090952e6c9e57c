// The three products of FP8 training against their definition, written again: E4M3 in tiles of 1 x 128 along
// what is summed, for activations and gradients; in blocks of 128 x 128 for weights; scales powers of two.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "formats/transcode.h"
#include "model/context.h"
#include "train/master_weights.h"

namespace fathom {
namespace {

// The nearest E4M3 value, ties to even; largest 448, smallest normal 2^-6, denormals in steps of 2^-9.
double e4m3(double x) {
  const double a = std::min(std::abs(x), 448.0);
  int exponent = 0;
  std::frexp(a, &exponent);
  const double step = std::ldexp(1, std::max(exponent - 1, -6) - 3);
  return std::copysign(std::nearbyint(a / step) * step, x);
}

double scale_for(double amax, double least) {
  return std::exp2(std::ceil(std::log2(std::max(amax, least) / 448)));
}

// One tile of `count` values that `at` gives, through E4M3 and back.
void tile(int64_t count, double least, const std::function<double&(int64_t)>& at) {
  double amax = 0;
  for (int64_t i = 0; i < count; ++i) amax = std::max(amax, std::abs(at(i)));
  const double scale = scale_for(amax, least);
  for (int64_t i = 0; i < count; ++i) at(i) = e4m3(at(i) / scale) * scale;
}

struct Matrix {
  int64_t rows, cols;
  std::vector<double> values;
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), values(static_cast<size_t>(r * c)) {}
  double& at(int64_t r, int64_t c) { return values[static_cast<size_t>(r * cols + c)]; }
};

Matrix random_matrix(int64_t rows, int64_t cols, uint64_t seed, double spread) {
  Matrix m(rows, cols);
  for (size_t i = 0; i < m.values.size(); ++i) {
    const double z = philox_normal(seed, i, 1);
    m.values[i] = static_cast<float>(z * std::exp(spread * philox_normal(seed, i, 2)));
  }
  return m;
}

Matrix row_tiles(Matrix m) {
  for (int64_t r = 0; r < m.rows; ++r) {
    for (int64_t c = 0; c < m.cols; c += 128)
      tile(std::min<int64_t>(128, m.cols - c), 1e-4, [&](int64_t i) -> double& { return m.at(r, c + i); });
  }
  return m;
}
Matrix column_tiles(Matrix m) {
  for (int64_t c = 0; c < m.cols; ++c) {
    for (int64_t r = 0; r < m.rows; r += 128)
      tile(std::min<int64_t>(128, m.rows - r), 1e-4, [&](int64_t i) -> double& { return m.at(r + i, c); });
  }
  return m;
}
Matrix blocks(Matrix m) {
  for (int64_t r = 0; r < m.rows; r += 128) {
    for (int64_t c = 0; c < m.cols; c += 128) {
      const int64_t rows = std::min<int64_t>(128, m.rows - r), cols = std::min<int64_t>(128, m.cols - c);
      tile(rows * cols, 1e-30, [&](int64_t i) -> double& { return m.at(r + i / cols, c + i % cols); });
    }
  }
  return m;
}

std::vector<float> floats(const Matrix& m) { return {m.values.begin(), m.values.end()}; }

// found [rows, cols] against the sum over k of a(i, k) b(k, j): the error of fp32 sums, no more.
void check_product(const std::vector<float>& found, int64_t rows, int64_t cols, int64_t inner,
                   const std::function<double(int64_t, int64_t)>& a,
                   const std::function<double(int64_t, int64_t)>& b) {
  double worst = 0;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < inner; ++k) {
        sum += a(i, k) * b(k, j);
        size += std::abs(a(i, k) * b(k, j));
      }
      worst = std::max(worst,
                       std::abs(static_cast<double>(found[static_cast<size_t>(i * cols + j)]) - sum) / size);
    }
  }
  CHECK(worst < 2e-6);
}

}  // namespace

TEST_CASE("forward, gradient of the input and gradient of the weight are FP8 products as published") {
  constexpr int64_t kTokens = 200, kIn = 256, kOut = 144;  // short last tiles along tokens and outputs
  Matrix x = random_matrix(kTokens, kIn, 1, 1.5), dy = random_matrix(kTokens, kOut, 2, 1.5),
         w = random_matrix(kOut, kIn, 3, 0.5);
  const auto xf = floats(x), dyf = floats(dy), wf = floats(w);
  const WeightStorage storage{DType::F8_E4M3};
  std::vector<std::byte> values(static_cast<size_t>(kOut * kIn)),
      scales(static_cast<size_t>(scale_bytes(storage, kOut, kIn)));
  WeightView view = weight_view(wf.data(), kOut, kIn);
  for (int64_t row = 0; row < kOut; row += kTranscodeRows) {
    transcode_rows(view, row, std::min(kTranscodeRows, kOut - row), storage, values.data() + row * kIn,
                   scales.data() + scale_bytes(storage, row, kIn));
  }
  view.dtype = DType::F8_E4M3;
  view.row_bytes = kIn;
  view.data = values.data();
  view.scale_layout = ScaleLayout::block_128;
  view.scale_dtype = DType::F8_E8M0;
  view.scales = scales.data();
  view.scale_row_bytes = 2;

  const Numerics numerics = training_numerics(Precision::fp8);
  for (const int threads : {1, 3}) {
    ThreadPoolOptions options{threads};
    options.test_mode = threads > 1;
    ThreadPool pool(options);
    Arena arena;
    const Context<float> ctx(kernels_for(detect_target()), pool, arena, numerics, true);
    std::vector<float> y(static_cast<size_t>(kTokens * kOut)), dx(xf.size()), dw(wf.size());
    const Mat<const float> xm{xf.data(), kTokens, kIn}, dym{dyf.data(), kTokens, kOut};
    ctx.linear(xm, view, {y.data(), kTokens, kOut});
    ctx.linear_backward(dym, xm, view, {dx.data(), kTokens, kIn}, {dw.data(), kOut, kIn});
    Matrix w8 = blocks(w), x8 = row_tiles(x), dy8 = row_tiles(dy), x_tokens = column_tiles(x8),
           dy_tokens = column_tiles(dy);
    const auto at = [](Matrix& m) { return [&m](int64_t r, int64_t c) { return m.at(r, c); }; };
    const auto turned = [](Matrix& m) { return [&m](int64_t r, int64_t c) { return m.at(c, r); }; };
    check_product(y, kTokens, kOut, kIn, at(x8), turned(w8));
    check_product(dx, kTokens, kIn, kOut, at(dy8), at(w8));
    check_product(dw, kOut, kIn, kTokens, turned(dy_tokens), at(x_tokens));
    // Latents take the exact path to the same products.
    std::vector<float> dx2(dx.size()), dw2(dw.size());
    ctx.linear_latent_backward(dym, xm, view, {dx2.data(), kTokens, kIn}, {dw2.data(), kOut, kIn});
    check_product(dx2, kTokens, kIn, kOut, at(dy8), at(w8));
    check_product(dw2, kOut, kIn, kTokens, turned(dy_tokens), at(x_tokens));
  }
}

}  // namespace fathom

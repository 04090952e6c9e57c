#pragma once
// Stages of golden/quantised/mixed/steps.safetensors: their golden values, and how far a found one is.
#include <doctest/doctest.h>
#include <fmt/core.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "formats/half.h"
#include "tests/support/tensor_file.h"

namespace fathom::test {

// The folder's README, "Bounds a test can honestly use".
inline constexpr double kEqual = 0.999, kRms = 2e-4, kFp32 = 1e-5;

inline const TensorFile& steps() {
  static const auto file = TensorFile::open(golden("quantised/mixed/steps.safetensors"));
  return file;
}

template <class Real>
struct Values {
  std::vector<Real> data;
  int64_t rows = 0, cols = 0;
  Mat<Real> mat() { return {data.data(), rows, cols}; }
};

/// The stages of one block.
template <class Real>
class Stages {
 public:
  explicit Stages(int64_t layer) : layer_(layer) {}

  std::string full(const std::string& name) const { return fmt::format("layers.{}.{}", layer_, name); }
  Values<Real> golden(const std::string& name) const {
    const auto values = steps().f32(full(name));
    const auto rows = steps().shape(full(name)).front();
    return {std::vector<Real>(values.begin(), values.end()), rows,
            static_cast<int64_t>(values.size()) / rows};
  }
  static Values<Real> bf16(Values<Real> v) {
    for (Real& x : v.data) x = static_cast<Real>(round_bf16(static_cast<float>(x)));
    return v;
  }

  // Share of equal values and relative rms error of `found` against the golden stage.
  std::pair<double, double> distance(const std::string& name, const Values<Real>& found) const {
    const Values<Real> want = golden(name);
    REQUIRE(found.data.size() == want.data.size());
    double error = 0, size = 0;
    int64_t equal = 0, of = 0;
    for (size_t i = 0; i < want.data.size(); ++i) {
      const auto w = static_cast<double>(want.data[i]), f = static_cast<double>(found.data[i]);
      if (!std::isfinite(w)) continue;  // scores of entries that are not visible
      error += (f - w) * (f - w);
      size += w * w;
      equal += f == w;
      ++of;
    }
    return {static_cast<double>(equal) / static_cast<double>(of), std::sqrt(error / size)};
  }
  void bf16_stage(const std::string& name, const Values<Real>& found) const {
    CAPTURE(name);
    const auto [equal, rms] = distance(name, bf16(found));
    CHECK(equal >= kEqual);
    CHECK(rms < kRms);
  }
  void rms_stage(const std::string& name, const Values<Real>& found, double bound) const {
    CAPTURE(name);
    CHECK(distance(name, bf16(found)).second < bound);
  }
  void fp32_stage(const std::string& name, const Values<Real>& found) const {
    CAPTURE(name);
    const Values<Real> want = golden(name);
    REQUIRE(found.data.size() == want.data.size());
    double worst = 0;
    for (size_t i = 0; i < want.data.size(); ++i) {
      const auto w = static_cast<double>(want.data[i]);
      worst = std::max(worst, std::abs(static_cast<double>(found.data[i]) - w) / std::max(1.0, std::abs(w)));
    }
    CHECK(worst <= kFp32);
  }

 private:
  int64_t layer_;
};

}  // namespace fathom::test

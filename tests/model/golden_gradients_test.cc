// Losses and gradients of the whole model against tests/golden/fp32 (gradients.safetensors), by the bounds of
// its README; in fp32 on every target, and in double.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>

#include "model/runtime.h"
#include "model/training/loss.h"
#include "tests/support/gradients.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

constexpr double kLossBound = 5e-6, kBound = 2e-4, kAbsolute = 1e-7;

TrainingBatch golden_batch(const test::TensorFile& file, bool labelled) {
  const auto ids = file.i32("input_ids"), labels = file.i32("labels");
  const bool mtp = file.has("labels_mtp");
  const auto mtp_labels = mtp ? file.i32("labels_mtp") : std::vector<int32_t>();
  const auto rows = static_cast<size_t>(file.shape("input_ids")[0]);
  const size_t T = ids.size() / rows;
  TrainingBatch batch(rows);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t t = 0; t < T; ++t) {
      batch[i].tokens.push_back(ids[i * T + t]);
      batch[i].labels.push_back(labelled ? labels[i * T + t] : kNoLabel);
      if (mtp && t + 1 < T) batch[i].mtp_labels.push_back(mtp_labels[i * (T - 1) + t]);
    }
  }
  return batch;
}

// The largest error over its bound of all tensors that the file has under `prefix`.
template <class Real>
double worst_error(const test::TensorFile& file, const std::string& prefix,
                   const test::Gradients<Real>& grads, double bound) {
  double worst = 0;
  int64_t found = 0;
  for (const auto& [name, values] : grads.all()) {
    if (!file.has(prefix + name)) continue;
    ++found;
    const std::vector<float> expected = file.f32(prefix + name);
    REQUIRE(expected.size() == values.size());
    double largest = 0, error = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
      error = std::max(error, std::abs(static_cast<double>(expected[i]) - static_cast<double>(values[i])));
    }
    const double share = error / (bound * largest + kAbsolute);
    if (!(share <= 1)) MESSAGE(name << ": error " << error << ", largest " << largest);
    if (!(share <= worst)) worst = share;
  }
  CHECK(found >= 8);
  return worst;
}

template <class Real>
void check_case(const std::string& folder, std::optional<Target> target, int threads, double bound) {
  CAPTURE(folder);
  const auto model = Model::open(test::golden("fp32/" + folder));
  const auto file = test::TensorFile::open(test::golden("fp32/" + folder + "/gradients.safetensors"));
  RuntimeOptions options;
  options.target = target;
  options.pool.threads = threads;
  options.pool.test_mode = threads > 1;
  if constexpr (std::is_same_v<Real, double>) options.numerics = Numerics::exact_double();
  Runtime<Real> runtime(options);
  const auto ctx = runtime.context(model->config());
  test::Gradients<Real> grads(model->config(), model->mtp_blocks());

  LossOptions loss;
  loss.mtp_weight = file.has("labels_mtp") ? 0.3 : 0;
  const LossReport report =
      loss_and_gradients<Real>(ctx, *model, golden_batch(file, true), loss, grads.params);
  CHECK(std::abs(report.lm - static_cast<double>(file.f32("lm_loss")[0])) <= kLossBound);
  CHECK(std::abs(report.loss - static_cast<double>(file.f32("loss")[0])) <= kLossBound);
  if (loss.mtp_weight > 0) {
    CHECK(std::abs(report.mtp - static_cast<double>(file.f32("mtp_loss")[0])) <= kLossBound);
  }
  CHECK(std::abs(report.balance - static_cast<double>(file.f32("balance_loss")[0])) <= kLossBound);
  CHECK(worst_error(file, "grad.", grads, bound) <= 1);
  for (const auto& [name, values] : grads.all()) {  // the LM loss does not reach the indexer
    if (name.find(".indexer.") == std::string::npos) continue;
    CHECK(std::all_of(values.begin(), values.end(), [](Real v) { return v == 0; }));
  }

  grads.zero();
  loss.mtp_weight = 0;
  loss.balance_weight = 1;
  loss_and_gradients<Real>(ctx, *model, golden_batch(file, false), loss, grads.params);
  CHECK(worst_error(file, "grad_balance.", grads, bound) <= 1);
}

TEST_CASE("golden gradients in fp32") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    check_case<float>("d_mix", target, 1, kBound);
    check_case<float>("h_mtp", target, 1, kBound);
  }
}

TEST_CASE("golden gradients in double") {
  check_case<double>("d_mix", std::nullopt, 2, 1e-6);
  check_case<double>("h_mtp", std::nullopt, 2, 1e-6);
}

}  // namespace
}  // namespace fathom

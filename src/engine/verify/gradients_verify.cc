// gradients.safetensors of golden/fp32: losses of a batch and the gradients of every parameter, and those of
// the sequence balance loss alone. Bounds: the README's.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/runner.h"
#include "model/training/loss.h"

namespace fathom::verify {
namespace {

constexpr double kLoss = 5e-6, kGradients = 2e-4, kMtpWeight = 0.3;

template <class Real>
class GradientCase {
 public:
  GradientCase(Checks& checks, const ExpectedFile& expected, const Model& model, Runtime<Real>& runtime)
      : checks_(checks), e_(expected), model_(model), runtime_(runtime) {
    for_each_param(
        model.config(), model.mtp_blocks(),
        [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, Mat<Real>& gradient) {
          if (kind == ParamClass::table || name.ends_with("gate.bias")) return;
          auto& values = gradients_[name];
          values.resize(static_cast<size_t>(rows * cols));
          gradient = {values.data(), rows, cols};
        },
        views_);
  }

  void run() {
    LossOptions options;
    if (e_.has("labels_mtp") && model_.mtp_blocks() > 0) options.mtp_weight = kMtpWeight;
    const LossReport report = pass(batch(true), options);
    loss("loss", report.loss);
    loss("lm_loss", report.lm);
    loss("balance_loss", report.balance);
    if (options.mtp_weight > 0) loss("mtp_loss", report.mtp);
    compare("grad.", "gradients");

    for (auto& [name, values] : gradients_) values.assign(values.size(), 0);
    options = {};
    options.balance_weight = 1;
    pass(batch(false), options);
    compare("grad_balance.", "balance gradients");
  }

 private:
  LossReport pass(const TrainingBatch& documents, const LossOptions& options) {
    return loss_and_gradients<Real>(runtime_.context(model_.config()), model_, documents, options, views_);
  }

  // The rows of a tensor of ids [documents, length].
  std::vector<std::vector<int32_t>> rows(const std::string& name, int64_t documents, int64_t length) const {
    const auto& shape = e_.shape(name);
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || (documents > 0 && shape[0] != documents) ||
        (length > 0 && shape[1] != length)) {
      bad_input("{}: expected a matrix of ids, {} of {} each", e_.where(name), documents, length);
    }
    const std::vector<int32_t> all = e_.ints(name);
    std::vector<std::vector<int32_t>> out;
    for (int64_t i = 0; i < shape[0]; ++i) {
      out.emplace_back(all.begin() + i * shape[1], all.begin() + (i + 1) * shape[1]);
    }
    return out;
  }

  TrainingBatch batch(bool labelled) const {
    const auto ids = rows("input_ids", 0, 0);
    const auto count = static_cast<int64_t>(ids.size()), length = static_cast<int64_t>(ids[0].size());
    const auto labels = rows("labels", count, length);
    const auto mtp = e_.has("labels_mtp") && length > 1 ? rows("labels_mtp", count, length - 1)
                                                        : std::vector<std::vector<int32_t>>(ids.size());
    TrainingBatch out(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      out[i] = {ids[i], labels[i], mtp[i], {}};
      if (!labelled) out[i].labels.assign(ids[i].size(), kNoLabel);
    }
    return out;
  }

  void loss(const std::string& name, double found) {
    if (!e_.has(name)) return;
    const std::vector<float> expected = e_.floats(name);
    if (expected.size() != 1) bad_input("{}: expected one value", e_.where(name));
    checks_.worst("losses", std::abs(found - static_cast<double>(expected[0])), kLoss);
  }

  void compare(const std::string& prefix, const std::string& quantity) {
    for (const auto& [name, values] : gradients_) {
      if (!e_.has(prefix + name)) continue;
      const std::vector<float> found(values.begin(), values.end());
      checks_.worst(quantity, gradient_error(e_.floats(prefix + name), found, e_.where(prefix + name)),
                    kGradients);
    }
  }

  Checks& checks_;
  const ExpectedFile& e_;
  const Model& model_;
  Runtime<Real>& runtime_;
  std::map<std::string, std::vector<Real>> gradients_;
  ModelParams<Mat<Real>> views_;
};

}  // namespace

void check_gradients(Checks& checks, const Model& model) {
  const ExpectedFile expected(checks.folder() / "gradients.safetensors");
  checks.used("gradients.safetensors");
  if (checks.options().double_model) {
    Runtime<double> runtime(runtime_options(checks.options(), Numerics::exact_double()));
    GradientCase<double>(checks, expected, model, runtime).run();
  } else {
    Runtime<float> runtime(runtime_options(checks.options(), Numerics::exact()));
    GradientCase<float>(checks, expected, model, runtime).run();
  }
  checks.unread_tensors("gradients.safetensors", expected.unread());
}

}  // namespace fathom::verify

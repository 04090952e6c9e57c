#include "train/training_verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "checkpoint/safetensors.h"
#include "kernels/newton_schulz.h"
#include "model/read_config.h"
#include "model/training/loss.h"
#include "train/balance.h"
#include "train/master_weights.h"
#include "train/optimizer.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// Bounds of tests/golden/fp32/README.md, "Tolerances".
constexpr double kLoss = 2e-5, kGradientNorm = 1e-3, kParameterNorm = 1e-5, kParameterSum = 0.05;
constexpr double kMuon = 2e-5, kMuonRankPoor = 1e-3;
constexpr int64_t kMaxJson = int64_t{64} << 20;

// The tensors of a small file.
class Tensors {
 public:
  explicit Tensors(const fs::path& path) : file_(path) {
    for (SafetensorsTensor& t : read_safetensors(file_)) tensors_.emplace(t.name, std::move(t));
  }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  const std::map<std::string, SafetensorsTensor>& all() const { return tensors_; }
  /// A matrix of T, which `dtype` must be.
  template <class T>
  std::vector<T> matrix(const std::string& name, DType dtype, int64_t& rows, int64_t& cols) const {
    const auto found = tensors_.find(name);
    const std::string where = printable(file_.path(), 400) + ": " + printable(name);
    if (found == tensors_.end()) bad_input("{}: expected a tensor, found none", where);
    const SafetensorsTensor& t = found->second;
    if (t.dtype != dtype || t.shape.size() != 2)
      bad_input("{}: expected a matrix of {}", where, fathom::name(dtype));
    rows = t.shape[0], cols = t.shape[1];
    std::vector<T> out(static_cast<size_t>(rows * cols));
    std::memcpy(out.data(), file_.data() + t.offset, static_cast<size_t>(t.bytes));
    return out;
  }

 private:
  MappedFile file_;
  std::map<std::string, SafetensorsTensor> tensors_;
};

// The worst of all errors of a name, in the order of their first mention.
void worst(TrainingChecks& checks, const std::string& quantity, double error, double bound,
           const std::string& detail = "") {
  for (TrainingCheck& item : checks.items) {
    if (item.quantity != quantity) continue;
    if (!(error <= item.error)) item.error = error, item.detail = detail;  // NaN is worse than anything
    return;
  }
  checks.items.push_back({quantity, error, bound, detail});
}

TrainingBatch batch_of(const Tensors& file, int64_t step) {
  const std::string s = fmt::format("step{}.", step);
  int64_t rows = 0, cols = 0, label_rows = 0, label_cols = 0;
  const auto ids = file.matrix<int32_t>(s + "input_ids", DType::I32, rows, cols);
  const auto labels = file.matrix<int32_t>(s + "labels", DType::I32, label_rows, label_cols);
  if (label_rows != rows || label_cols != cols) bad_input("{}labels: expected the shape of input_ids", s);
  std::vector<int32_t> mtp;
  int64_t mtp_cols = 0;
  if (file.has(s + "labels_mtp"))
    mtp = file.matrix<int32_t>(s + "labels_mtp", DType::I32, label_rows, mtp_cols);
  if (!mtp.empty() && (label_rows != rows || mtp_cols != cols - 1)) {
    bad_input("{}labels_mtp: expected one column less than input_ids", s);
  }
  TrainingBatch batch;
  for (int64_t i = 0; i < rows; ++i) {
    const auto row = [i](const std::vector<int32_t>& v, int64_t n) {
      return v.empty() ? v : std::vector<int32_t>(v.begin() + i * n, v.begin() + (i + 1) * n);
    };
    batch.push_back({row(ids, cols), row(labels, cols), row(mtp, mtp_cols), {}});
  }
  return batch;
}

bool all(const TrainedParam&) { return true; }

// One file of steps.
class Steps {
 public:
  Steps(TrainingChecks& checks, const fs::path& folder, const JsonField& file, ThreadPool& pool,
        const Kernels<float>& kernels)
      : checks_(checks),
        file_(file),
        pool_(pool),
        kernels_(kernels),
        batches_(folder / "training_batches.safetensors"),
        checkpoint_(Checkpoint::open(folder)),
        config_(read_config(*checkpoint_)),
        variant_(file.at("variant").text()),
        table_(config_, checkpoint_->has("mtp.0.e_proj.weight") ? config_.num_nextn_predict_layers : 0,
               {variant_ == "split", false, false}),
        masters_(load_masters(table_, *checkpoint_)),
        weights_(table_, masters_, Precision::fp32),
        model_(Model::over(config_, weights_.params(), nullptr)),
        optimizer_(table_, {}),
        gradients_(static_cast<size_t>(table_.size())) {}

  void run() {
    rate_ = file_.at("hyper").at("lr").number(0, 1);
    for (const JsonField& step : file_.at("steps").elements(10000)) one(step);
    check("loss", std::abs(losses(batch_of(batches_, 0), false).loss - number(file_, "final_loss_on_batch0")),
          kLoss);
  }

 private:
  static double number(const JsonField& at, const char* key) {
    const auto found = at.find(key);
    return found ? found->number(-1e30, 1e30) : 0;
  }
  void check(const std::string& what, double error, double bound, const std::string& detail = "") {
    worst(checks_, "training (" + variant_ + ") " + what, error, bound, detail);
  }

  LossReport losses(const TrainingBatch& batch, bool gradients) {
    const Numerics numerics = training_numerics(Precision::fp32);
    const Context<float> ctx(kernels_, pool_, arena_, numerics, true);
    const ArenaScope scope(arena_);
    LossOptions options;
    options.mtp_weight = table_.mtp_blocks() > 0 ? number(file_.at("hyper"), "mtp_weight") : 0;
    if (!gradients) return evaluate_loss<float>(ctx, *model_, batch, options);
    std::fill(gradients_.begin(), gradients_.end(), 0.0f);
    return loss_and_gradients<float>(ctx, *model_, batch, options,
                                     table_.gradient_views(gradients_.data(), all));
  }

  void one(const JsonField& step) {
    const LossReport report = losses(batch_of(batches_, step.at("step").integer(0, 10000)), true);
    check("loss", std::abs(report.loss - number(step, "loss")), kLoss);
    check("loss", std::abs(report.lm - number(step, "lm_loss")), kLoss);
    check("loss", std::abs(report.mtp - number(step, "mtp_loss")), kLoss);
    hold_equal_streams(table_, gradients_.data());
    const GradientReport found = optimizer_.measure(pool_, gradients_.data(), all);
    const double norm = number(step, "grad_norm");
    check("gradient norm, relative", std::abs(found.norm - norm) / norm, kGradientNorm);
    std::set<std::string> skipped, given;
    for (const std::string& name : found.skipped) skipped.insert(name);
    for (const JsonField& name : step.at("skipped").elements(100000)) given.insert(name.text());
    check("skipped tensors", skipped == given ? 0 : 1, 0);
    optimizer_.step(pool_, kernels_, gradients_.data(), {rate_, rate_, rate_}, masters_.values.data());
    for (const auto& [name, loads] : step.at("expert_load").json().items()) {
      const TrainedParam* bias = table_.find(name);
      if (bias == nullptr || static_cast<size_t>(bias->layer) >= report.expert_load.size()) {
        bad_input("expert_load.{}: expected a router's bias", printable(name));
      }
      const auto& load = report.expert_load[static_cast<size_t>(bias->layer)];
      check("expert loads", nlohmann::json(load) == loads ? 0 : 1, 0);
      update_router_bias(load, 1e-3, masters_.values.data() + bias->offset);
    }
    parameters(step);
  }

  void parameters(const JsonField& step) {
    const JsonField norms = step.at("param_l2"), sums = step.at("param_sum");
    for (const TrainedParam& p : table_.params()) {
      if (p.kind == ParamClass::table) continue;
      const float* w = masters_.values.data() + p.offset;
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < p.values(); ++i) {
        const double v = w[i];
        sum += v;
        squares += v * v;
      }
      const double norm = norms.at(p.name.c_str()).number(0, 1e30),
                   total = sums.at(p.name.c_str()).number(-1e30, 1e30);
      check("parameter norms, relative",
            norm > 0 ? std::abs(std::sqrt(squares) - norm) / norm : std::sqrt(squares), kParameterNorm,
            p.name);
      const double step_size = rate_ * std::sqrt(static_cast<double>(p.values()));
      check("parameter sums, over rate sqrt(values)", std::abs(sum - total) / step_size, kParameterSum,
            p.name);
    }
  }

  TrainingChecks& checks_;
  const JsonField& file_;
  ThreadPool& pool_;
  const Kernels<float>& kernels_;
  Tensors batches_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  ModelConfig config_;
  std::string variant_;
  ParamTable table_;
  MasterWeights masters_;
  ComputeWeights weights_;
  std::shared_ptr<const Model> model_;
  Optimizer optimizer_;
  std::vector<float> gradients_;
  Arena arena_;
  double rate_ = 0;
};

}  // namespace

TrainingChecks verify_training_steps(const fs::path& folder, ThreadPool& pool,
                                     const Kernels<float>& kernels) {
  TrainingChecks checks;
  std::error_code error;
  for (const char* name : {"training_steps.split.json", "training_steps.whole.json"}) {
    const fs::path path = folder / name;
    if (!fs::is_regular_file(path, error)) continue;
    in_context(printable(path.string(), 400), [&] {
      const nlohmann::json document =
          parse_json(read_text(path, kMaxJson), 16, static_cast<size_t>(kMaxJson));
      const JsonField file(document, "");
      Steps(checks, folder, file, pool, kernels).run();
    });
    checks.used.emplace_back(name);
  }
  if (!checks.used.empty()) checks.used.emplace_back("training_batches.safetensors");
  return checks;
}

TrainingChecks verify_muon(const fs::path& folder, const Kernels<float>& kernels) {
  TrainingChecks checks;
  std::error_code error;
  const fs::path path = folder / "muon.safetensors";
  if (!fs::is_regular_file(path, error)) return checks;
  const Tensors file(path);
  for (const auto& [name, tensor] : file.all()) {
    if (!name.starts_with("in.")) continue;
    int64_t rows = 0, cols = 0, out_rows = 0, out_cols = 0;
    const auto in = file.matrix<float>(name, DType::F32, rows, cols);
    const auto out = file.matrix<float>("out." + name.substr(3), DType::F32, out_rows, out_cols);
    if (out_rows != rows || out_cols != cols)
      bad_input("out.{}: expected the shape of its input", printable(name));
    std::vector<float> found(in.size());
    std::vector<float> scratch(static_cast<size_t>(newton_schulz_scratch(rows, cols)));
    if (!in.empty()) kernels.newton_schulz(in.data(), rows, cols, found.data(), scratch.data());
    double difference = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const double d = std::abs(static_cast<double>(found[i]) - static_cast<double>(out[i]));
      if (!(d <= difference)) difference = d;
    }
    // fp32 lifts the rounding noise of small singular values: the README compares those at 1e-3.
    const bool poor = name.find("rank") != name.npos || name.find("ill_cond") != name.npos;
    worst(checks, poor ? "Newton-Schulz, rank-poor" : "Newton-Schulz", difference,
          poor ? kMuonRankPoor : kMuon, name.substr(3));
  }
  checks.used.emplace_back("muon.safetensors");
  return checks;
}

}  // namespace fathom

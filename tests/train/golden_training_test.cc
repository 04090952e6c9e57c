// Five training steps of golden/fp32 in both variants of Muon's matrices, by the bounds of its README:
// losses, gradient norms, what is skipped, expert loads, and every parameter's norm and sum after each step.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "model/training/loss.h"
#include "tests/support/tensor_file.h"
#include "train/balance.h"
#include "train/master_weights.h"
#include "train/optimizer.h"

namespace fathom {
namespace {

struct Golden {
  std::filesystem::path folder;
  ModelConfig config;
  ParamTable table;
  MasterWeights masters;
  ThreadPool pool{2};
  Arena arena;
  Numerics numerics = training_numerics(Precision::fp32);

  Golden(const std::string& name, bool split)
      : folder(test::golden("fp32") / name),
        config(ModelConfig::parse(Checkpoint::open(folder)->config_json())),
        table(config, config.num_nextn_predict_layers, {split, false, false}),
        masters(load_masters(table, *Checkpoint::open(folder))) {}

  TrainingBatch batch(const test::TensorFile& file, int step) const {
    const std::string s = "step" + std::to_string(step) + ".";
    const auto shape = file.shape(s + "input_ids");
    const auto ids = file.i32(s + "input_ids"), labels = file.i32(s + "labels");
    const auto mtp = file.has(s + "labels_mtp") ? file.i32(s + "labels_mtp") : std::vector<int32_t>{};
    TrainingBatch out;
    for (int64_t i = 0; i < shape[0]; ++i) {
      const auto row = [&](const std::vector<int32_t>& v, int64_t length) {
        return v.empty() ? v : std::vector<int32_t>(v.begin() + i * length, v.begin() + (i + 1) * length);
      };
      out.push_back({row(ids, shape[1]), row(labels, shape[1]), row(mtp, shape[1] - 1), {}});
    }
    return out;
  }

  LossReport losses(const Model& model, const TrainingBatch& batch, std::vector<float>* gradients) {
    const Context<float> ctx(kernels_for(detect_target()), pool, arena, numerics, true);
    const ArenaScope scope(arena);
    LossOptions options;
    options.mtp_weight = table.mtp_blocks() > 0 ? 0.3 : 0;
    if (gradients == nullptr) return evaluate_loss<float>(ctx, model, batch, options);
    const auto views = table.gradient_views(gradients->data(), [](const TrainedParam&) { return true; });
    return loss_and_gradients<float>(ctx, model, batch, options, views);
  }
};

double number(const nlohmann::json& value) { return value.is_null() ? 0 : value.get<double>(); }

void check_steps(const std::string& name, const std::string& variant) {
  CAPTURE(name);
  CAPTURE(variant);
  Golden golden(name, variant == "split");
  const auto expected = test::read_json(golden.folder / ("training_steps." + variant + ".json"));
  const auto batches = test::TensorFile::open(golden.folder / "training_batches.safetensors");
  ComputeWeights weights(golden.table, golden.masters, Precision::fp32);
  const auto model = Model::over(golden.config, weights.params(), nullptr);
  Optimizer optimizer(golden.table, {});
  std::vector<float> gradients(static_cast<size_t>(golden.table.size()));
  const double rate = expected["hyper"]["lr"];

  for (const auto& step : expected["steps"]) {
    const int index = step["step"];
    CAPTURE(index);
    std::fill(gradients.begin(), gradients.end(), 0.0f);
    const LossReport losses = golden.losses(*model, golden.batch(batches, index), &gradients);
    CHECK(std::abs(losses.loss - number(step["loss"])) <= 2e-5);
    CHECK(std::abs(losses.lm - number(step["lm_loss"])) <= 2e-5);
    CHECK(std::abs(losses.mtp - number(step["mtp_loss"])) <= 2e-5);

    hold_equal_streams(golden.table, gradients.data());
    const auto report =
        optimizer.measure(golden.pool, gradients.data(), [](const TrainedParam&) { return true; });
    CHECK(report.norm == doctest::Approx(number(step["grad_norm"])).epsilon(1e-3));
    const auto skipped = step["skipped"].get<std::set<std::string>>();
    CHECK(std::set<std::string>(report.skipped.begin(), report.skipped.end()) == skipped);

    optimizer.step(golden.pool, kernels_for(detect_target()), gradients.data(), {rate, rate, rate},
                   golden.masters.values.data());
    for (const auto& [bias, load] : step["expert_load"].items()) {
      CAPTURE(bias);
      const TrainedParam* p = golden.table.find(bias);
      REQUIRE(p != nullptr);
      REQUIRE(static_cast<size_t>(p->layer) < losses.expert_load.size());
      const auto& found = losses.expert_load[static_cast<size_t>(p->layer)];
      CHECK(found == load.get<std::vector<int64_t>>());
      update_router_bias(found, 1e-3, golden.masters.values.data() + p->offset);
    }
    for (const TrainedParam& p : golden.table.params()) {
      if (p.kind == ParamClass::table) continue;
      CAPTURE(p.name);
      const float* w = golden.masters.values.data() + p.offset;
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < p.values(); ++i) {
        sum += static_cast<double>(w[i]);
        squares += static_cast<double>(w[i]) * static_cast<double>(w[i]);
      }
      const double l2 = step["param_l2"].at(p.name), total = step["param_sum"].at(p.name);
      CHECK(std::abs(std::sqrt(squares) - l2) <= 1e-5 * l2);
      CHECK(std::abs(sum - total) <= 0.05 * rate * std::sqrt(static_cast<double>(p.values())));
    }
  }
  const LossReport last = golden.losses(*model, golden.batch(batches, 0), nullptr);
  CHECK(std::abs(last.loss - number(expected["final_loss_on_batch0"])) <= 2e-5);
}

}  // namespace

TEST_CASE("five golden training steps") {
  for (const char* name : {"d_mix", "h_mtp"}) {
    for (const char* variant : {"split", "whole"}) check_steps(name, variant);
  }
}

}  // namespace fathom

// Training a real, tiny model: nothing is dead, threads do not change a bit, every precision learns.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "model/training/memory.h"
#include "tests/support/tiny_model.h"
#include "train/model_learner.h"
#include "train/session.h"

namespace fathom {
namespace {

// Documents in which the next token is a function of the last two.
Row documents(int64_t seed, int64_t count, int64_t length) {
  Row row;
  for (int64_t i = 0; i < count; ++i) {
    RowDocument d;
    auto a = static_cast<int32_t>(philox(static_cast<uint64_t>(seed), static_cast<uint64_t>(i))[0] % 64),
         b = 1;
    for (int64_t t = 0; t < length; ++t) {
      const int32_t next = (a + 3 * b + 1) % 64;
      d.tokens.push_back(b);
      d.labels.push_back(next);
      a = b, b = next;
    }
    row.push_back(std::move(d));
  }
  return row;
}

struct Run {
  std::vector<double> losses;
  std::vector<float> weights, began;
  std::vector<double> largest;  // gradient norm of each tensor over the steps
};

Run train(Precision precision, int steps, int threads, bool test_mode = false) {
  const ModelConfig config = test::tiny_config();
  const ParamTable table(config, config.num_nextn_predict_layers);
  InitialWeights initial;
  initial.head_deviation = 0.05;
  MasterWeights masters = initial_weights(table, initial);
  ThreadPoolOptions options{threads};
  options.test_mode = test_mode;
  ThreadPool pool(options);
  const auto& kernels = kernels_for(detect_target());
  ModelLearner learner(table, masters, precision, pool, kernels);
  Optimizer optimizer(table, {});
  PassOptions pass;
  pass.mtp_weight = 0.3;
  pass.balance_weight = 1e-4;
  pass.indexer_weight = 1;
  std::vector<float> gradients(static_cast<size_t>(table.size()));
  const auto all = [](const TrainedParam&) { return true; };
  Run run;
  run.began = masters.values;
  run.largest.resize(table.params().size());
  for (int step = 0; step < steps; ++step) {
    learner.refresh();
    std::fill(gradients.begin(), gradients.end(), 0.0f);
    run.losses.push_back(learner.learn(documents(step, 3, 40), pass, gradients.data()).lm);
    hold_equal_streams(table, gradients.data());
    const auto report = optimizer.measure(pool, gradients.data(), all);
    REQUIRE(report.finite);
    for (size_t i = 0; i < run.largest.size(); ++i)
      run.largest[i] = std::max(run.largest[i], report.tensor_norms[i]);
    optimizer.step(pool, kernels, gradients.data(), {0.01, 0.01, 0.003}, masters.values.data());
  }
  run.weights = masters.values;
  return run;
}

}  // namespace

TEST_CASE("after twenty steps nothing is dead: every tensor had gradient and changed") {
  const Run run = train(Precision::fp32, 20, 2);
  const ModelConfig config = test::tiny_config();
  const ParamTable table(config, config.num_nextn_predict_layers);
  for (size_t i = 0; i < table.params().size(); ++i) {
    const TrainedParam& p = table.params()[i];
    if (p.optimizer == OptimizerKind::none) continue;
    CAPTURE(p.name);
    CHECK(run.largest[i] > 0);
    const auto first = run.weights.begin() + p.offset;
    CHECK(!std::equal(first, first + p.values(), run.began.begin() + p.offset));
  }
  CHECK(run.losses.back() < 0.8 * run.losses.front());
}

TEST_CASE("the loss curve has the same bits for any number of threads") {
  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp8, Precision::fp4}) {
    CAPTURE(name(precision));
    const Run one = train(precision, 3, 1), many = train(precision, 3, 3, true);
    CHECK(one.losses == many.losses);
    CHECK(std::memcmp(one.weights.data(), many.weights.data(), one.weights.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("every precision learns, near to what fp32 does") {
  const double exact = train(Precision::fp32, 20, 2).losses.back();
  for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
    CAPTURE(name(precision));
    const Run run = train(precision, 20, 2);
    CHECK(run.losses.back() < 0.9 * run.losses.front());
    CHECK(std::abs(run.losses.back() - exact) < 0.15 * exact);
  }
}

TEST_CASE("FP8 training stays beside bf16") {
  const Run bf16 = train(Precision::bf16, 30, 2), fp8 = train(Precision::fp8, 30, 2);
  double mean16 = 0, mean8 = 0;
  for (size_t i = 20; i < 30; ++i) mean16 += bf16.losses[i], mean8 += fp8.losses[i];
  CHECK(std::abs(mean8 - mean16) < 0.03 * mean16);
  CHECK(fp8.losses != bf16.losses);
}

TEST_CASE("the memory named before a run covers its passes in every precision, and not by much") {
  ModelConfig config = test::tiny_config();
  config.hidden_size = 128;
  config.moe_intermediate_size = 96;
  const ParamTable table(config, config.num_nextn_predict_layers);
  const MasterWeights masters = initial_weights(table, {});
  ThreadPool pool(1);
  PassOptions pass;
  pass.mtp_weight = 0.3;
  pass.balance_weight = 1e-4;
  pass.indexer_weight = 1;
  LossOptions options;
  options.mtp_weight = pass.mtp_weight;
  options.indexer_weight = 1;
  options.keep_layers = pass.keep_layers;
  std::vector<float> gradients(static_cast<size_t>(table.size()));
  const Row row = documents(1, 1, 1000);
  for (const Precision precision : {Precision::bf16, Precision::fp8, Precision::fp4}) {
    CAPTURE(name(precision));
    ModelLearner learner(table, masters, precision, pool, kernels_for(detect_target()));
    learner.refresh();
    learner.learn(row, pass, gradients.data());
    const auto found = static_cast<double>(learner.scratch_peak());
    const auto named = static_cast<double>(
        training_memory(config, options, 1000, 1000, precision != Precision::bf16).peak());
    CAPTURE(found);
    CAPTURE(named);
    CHECK(found <= named);
    CHECK(named <= 1.5 * found);
  }
}

TEST_CASE("the indexer's warm-up moves the indexer alone") {
  const ModelConfig config = test::tiny_config();
  const ParamTable table(config, 0);
  MasterWeights masters = initial_weights(table, {});
  const MasterWeights before = masters;
  ThreadPool pool(2);
  const auto& kernels = kernels_for(detect_target());
  ModelLearner learner(table, masters, Precision::fp32, pool, kernels);
  Optimizer optimizer(table, {});
  std::vector<float> gradients(static_cast<size_t>(table.size()));
  const auto indexer = [](const TrainedParam& p) { return p.indexer; };
  PassOptions pass;
  pass.attention = AttentionStage::indexer;
  pass.indexer_weight = 1;
  std::vector<double> losses;
  for (int step = 0; step < 30; ++step) {
    learner.refresh();
    std::fill(gradients.begin(), gradients.end(), 0.0f);
    losses.push_back(learner.learn(documents(1, 3, 40), pass, gradients.data()).loss);
    optimizer.measure(pool, gradients.data(), indexer);
    optimizer.step(pool, kernels, gradients.data(), {0.01, 0.01, 0.01}, masters.values.data());
  }
  CHECK(losses.back() < losses.front());
  for (const TrainedParam& p : table.params()) {
    if (p.kind == ParamClass::table) continue;
    CAPTURE(p.name);
    const auto first = masters.values.begin() + p.offset;
    CHECK(std::equal(first, first + p.values(), before.values.begin() + p.offset) == !p.indexer);
  }
}

}  // namespace fathom

// loss_and_gradients of a small model with every kind of layer: finite differences in double, bits that do
// not depend on threads, groups of documents, frozen parts, and what it refuses.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "model/training/loss.h"
#include "tests/support/finite_differences.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

constexpr double kWholeModel = 1e-5;
const std::vector<int64_t> kDocuments = {19, 1, 33, 2, 8};

LossOptions all_parts() {
  LossOptions options;
  options.mtp_weight = 0.3;
  options.balance_weight = 0.5;
  return options;
}

template <class Real>
LossReport run(test::SmallModel<Real>& small, Runtime<Real>& runtime, const TrainingBatch& batch,
               const LossOptions& options) {
  small.grads.zero();
  return loss_and_gradients<Real>(runtime.context(small.config), *small.model, batch, options,
                                  small.grads.params);
}

template <class Real>
bool same_bits(const test::Gradients<Real>& a, const test::Gradients<Real>& b) {
  for (const auto& [name, values] : a.all()) {
    if (std::memcmp(values.data(), b[name].data(), values.size() * sizeof(Real)) != 0) {
      MESSAGE(name);
      return false;
    }
  }
  return true;
}

TEST_CASE("every parameter's gradient is the loss's slope") {
  for (const bool dense : {false, true}) {
    CAPTURE(dense);
    // Without clamps, whose edges a step along a direction of a whole tensor would cross.
    test::SmallModel<double> small(
        test::small_config_with({{"\"swiglu_limit\": 1.5", "\"swiglu_limit\": 100"}}));
    auto runtime = test::make_runtime<double>();
    TrainingBatch batch = test::small_batch({19, 1, 14, 2}, small.config.vocab_size);
    for (int64_t t = 0; t < batch[2].size(); ++t) {
      batch[2].weights.push_back(0.5f + 0.03f * static_cast<float>(t));
    }
    LossOptions options = all_parts();
    options.dense_csa = dense;
    run(small, runtime, batch, options);
    test::Gradients<double> scratch(small.config, 1);
    const auto loss = [&] {
      return loss_and_gradients<double>(runtime.context(small.config), *small.model, batch, options,
                                        scratch.params)
          .loss;
    };
    double total = 0;
    for (const auto& [name, g] : small.grads.all()) {
      for (const double v : g) total += v * v;
    }
    uint64_t key = 0;
    for (auto& p : small.params) {
      ++key;
      if (p.name.ends_with("gate.bias")) continue;  // no gradient: it only chooses
      CAPTURE(p.name);
      const std::vector<double>& g = small.grads[p.name];
      // Along a random direction, through all elements at once.
      const std::vector<double> at = p.values;
      double slope = 0, size = 0;
      for (size_t i = 0; i < g.size(); ++i) {
        slope += g[i] * philox_normal(key, i);
        size += g[i] * g[i];
      }
      double offset = 0;
      const auto moved = [&] {
        for (size_t i = 0; i < at.size(); ++i) p.values[i] = at[i] + offset * philox_normal(key, i);
        return loss();
      };
      const double exact = test::central_difference(moved, &offset, 1e-5);
      p.values = at;
      CHECK(std::abs(exact - slope) <= kWholeModel * std::sqrt(size) + 1e-9);
      if (p.name.find(".indexer.") != std::string::npos) CHECK(size == 0);
    }
    CHECK(total > 0.1);
  }
}

TEST_CASE("the same bits for any number of threads") {
  for (const bool bf16 : {false, true}) {
    CAPTURE(bf16);
    test::SmallModel<float> one(test::kSmallConfig, bf16), two(test::kSmallConfig, bf16);
    Numerics numerics = Numerics::exact();
    numerics.bf16_matmul = bf16;
    auto single = test::make_runtime<float>(1, numerics), pair = test::make_runtime<float>(2, numerics);
    const TrainingBatch batch = test::small_batch({70, 1, 150, 33}, one.config.vocab_size);
    LossOptions options = all_parts();
    options.indexer_weight = 1;
    const LossReport a = run(one, single, batch, options), b = run(two, pair, batch, options);
    CHECK(a.loss == b.loss);
    CHECK(a.indexer[1].kl == b.indexer[1].kl);
    CHECK(a.expert_load == b.expert_load);
    CHECK(same_bits(one.grads, two.grads));
  }
}

TEST_CASE("gradients in float and bf16 are near those in double") {
  // Nothing is chosen, as a choice may fall otherwise in other arithmetic.
  const std::string config =
      test::small_config_with({{"\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 5"},
                               {"\"index_topk\": 3", "\"index_topk\": 99"},
                               {"\"num_hash_layers\": 2", "\"num_hash_layers\": 0"}});
  test::SmallModel<double> exact(config, true);
  test::SmallModel<float> single(config, true), narrow(config, true);
  const TrainingBatch batch = test::small_batch(kDocuments, exact.config.vocab_size);
  auto double_runtime = test::make_runtime<double>();
  auto float_runtime = test::make_runtime<float>();
  Numerics bf16 = Numerics::exact();
  bf16.bf16_matmul = true;
  auto bf16_runtime = test::make_runtime<float>(1, bf16);
  run(exact, double_runtime, batch, all_parts());
  run(single, float_runtime, batch, all_parts());
  run(narrow, bf16_runtime, batch, all_parts());
  const auto distance = [&](const test::Gradients<float>& found) {
    double error = 0, size = 0;
    for (const auto& [name, g] : exact.grads.all()) {
      for (size_t i = 0; i < g.size(); ++i) {
        error += std::pow(static_cast<double>(found[name][i]) - g[i], 2);
        size += g[i] * g[i];
      }
    }
    return std::sqrt(error / size);
  };
  CHECK(distance(single.grads) <= 5e-5);
  CHECK(distance(narrow.grads) <= 0.4);  // random weights blow up every rounding
  CHECK(distance(narrow.grads) > 1e-4);  // it did compute in bf16
}

TEST_CASE("documents do not see each other, and groups change rounding only") {
  test::SmallModel<double> small, alone;
  auto runtime = test::make_runtime<double>();
  const TrainingBatch batch = test::small_batch(kDocuments, small.config.vocab_size);
  std::vector<std::vector<double>> together, apart;
  const auto ctx = runtime.context(small.config);
  const LossReport all = evaluate_loss<double>(ctx, *small.model, batch, all_parts(), &together);
  double sum = 0;
  for (const TrainingDocument& d : batch) {
    const LossReport one = evaluate_loss<double>(ctx, *small.model, {d}, all_parts(), &apart);
    sum += one.lm * static_cast<double>(one.labels);
    CHECK(apart[0] == together[static_cast<size_t>(&d - batch.data())]);
  }
  CHECK(sum / static_cast<double>(all.labels) == doctest::Approx(all.lm));

  LossOptions groups = all_parts();
  groups.group_tokens = 20;
  const LossReport whole = run(small, runtime, batch, all_parts()), cut = run(alone, runtime, batch, groups);
  CHECK(whole.lm == doctest::Approx(all.lm));
  CHECK(whole.mtp == doctest::Approx(all.mtp));
  CHECK(cut.loss == doctest::Approx(whole.loss));
  CHECK(cut.expert_load == whole.expert_load);
  for (const auto& [name, g] : small.grads.all()) {
    bool near = true;
    for (size_t i = 0; i < g.size(); ++i) near = near && std::abs(g[i] - alone.grads[name][i]) <= 1e-12;
    CHECK_MESSAGE(near, name);
  }
}

TEST_CASE("gradients are added, and frozen parts left out") {
  test::SmallModel<double> all, some;
  auto runtime = test::make_runtime<double>();
  const TrainingBatch batch = test::small_batch(kDocuments, all.config.vocab_size);
  run(all, runtime, batch, all_parts());
  some.grads.zero();
  const auto wanted = [](const std::string& name) {
    return name.find("layers.2.") != std::string::npos || name == "head.weight";
  };
  ModelParams<Mat<double>> parts = some.grads.params;
  for_each_param(
      some.config, 1,
      [&](const std::string& name, ParamClass, int64_t, int64_t, Mat<double>& g) {
        if (!wanted(name)) g = {};
      },
      parts);
  for (int i = 0; i < 2; ++i) {
    loss_and_gradients<double>(runtime.context(some.config), *some.model, batch, all_parts(), parts);
  }
  for (const auto& [name, g] : all.grads.all()) {
    bool right = true;
    for (size_t i = 0; i < g.size(); ++i) {
      right = right && std::abs(some.grads[name][i] - (wanted(name) ? 2 * g[i] : 0)) <= 1e-12;
    }
    CHECK_MESSAGE(right, name);
  }
}

TEST_CASE("the indexer's loss reaches the indexer alone") {
  test::SmallModel<double> plain, trained, warm;
  auto runtime = test::make_runtime<double>();
  const TrainingBatch batch = test::small_batch(kDocuments, plain.config.vocab_size);
  LossOptions options = all_parts();
  run(plain, runtime, batch, options);
  options.indexer_weight = 2;
  const LossReport report = run(trained, runtime, batch, options);
  const int64_t queries = (19 - 3) + (33 - 3) + (8 - 3);
  CHECK(report.indexer[0].queries == 0);
  CHECK(report.indexer[1].queries == queries);
  CHECK(report.indexer[1].kl > 0);
  CHECK(report.indexer[1].captured > 0);
  options.dense_csa = true;
  options.indexer_only = true;
  options.group_tokens = 20;
  const LossReport warming = run(warm, runtime, batch, options);
  CHECK(warming.indexer[3].queries == queries);
  CHECK(warming.indexer[3].kl > 0);
  CHECK(warming.lm == 0);
  for (const auto& [name, g] : trained.grads.all()) {
    const auto zero = [](const std::vector<double>& v) {
      return std::all_of(v.begin(), v.end(), [](double x) { return x == 0; });
    };
    CAPTURE(name);
    if (name.find(".indexer.") != std::string::npos) {
      CHECK(!zero(g));
      CHECK(!zero(warm.grads[name]));
    } else {
      CHECK(g == plain.grads[name]);
      CHECK(zero(warm.grads[name]));
    }
  }
}

TEST_CASE("routes of older weights") {
  test::SmallModel<double> plain, given, old;
  auto runtime = test::make_runtime<double>();
  const TrainingBatch batch = test::small_batch(kDocuments, plain.config.vocab_size);
  LossOptions options = all_parts();
  for (auto& p : old.params) {
    if (p.name.ends_with("gate.weight")) std::reverse(p.values.begin(), p.values.end());
  }
  for (const int64_t group : {1000, 8}) {  // whole documents, and chunks of the longer ones
    CAPTURE(group);
    options.group_tokens = group;
    options.routes = nullptr;
    const LossReport expected = run(plain, runtime, batch, options);
    RouteRecord own, other;
    options.record_routes = &own;
    evaluate_loss<double>(runtime.context(plain.config), *plain.model, batch, options);
    CHECK(own.ids[0][0].size() == 19 * 2);
    CHECK(own.ids[2][5].size() == 32 * 2);  // MTP
    options.record_routes = &other;
    evaluate_loss<double>(runtime.context(old.config), *old.model, batch, options);
    options.record_routes = nullptr;
    options.routes = &own;  // the same choice: nothing changes
    CHECK(run(given, runtime, batch, options).loss == expected.loss);
    CHECK(same_bits(given.grads, plain.grads));
    options.routes = &other;
    const LossReport moved = run(given, runtime, batch, options);
    CHECK(moved.loss != expected.loss);
    CHECK(moved.expert_load[0] == expected.expert_load[0]);  // by table
    CHECK(moved.expert_load[3] != expected.expert_load[3]);
    other.ids[2][3].pop_back();
    CHECK_THROWS_AS(run(given, runtime, batch, options), Error);
  }
}

TEST_CASE("what a batch may not be") {
  test::SmallModel<float> small;
  auto runtime = test::make_runtime<float>();
  const auto message = [&](const TrainingBatch& batch, const LossOptions& options) {
    try {
      run(small, runtime, batch, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  const TrainingBatch good = test::small_batch({5, 4}, small.config.vocab_size);
  CHECK(message(good, all_parts()) == "nothing thrown");
  CHECK(message({}, all_parts()) == "nothing thrown");
  TrainingBatch bad = good;
  bad[1].labels[2] = 37;
  CHECK(message(bad, all_parts()) == "document 1: label 2: expected an id below 37, found 37");
  bad = good;
  bad[0].tokens[0] = -1;
  CHECK(message(bad, all_parts()) == "document 0: token 0: expected an id below 37, found -1");
  bad = good;
  bad[0].labels.pop_back();
  CHECK(message(bad, all_parts()) == "document 0: labels: expected 5, found 4");
  bad = good;
  bad[1] = {};
  CHECK(message(bad, all_parts()) == "document 1: expected tokens, found none");
}

}  // namespace
}  // namespace fathom

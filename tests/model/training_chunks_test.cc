// Documents longer than a group may be run in chunks: losses, loads and gradients of the whole document, all
// parts of the loss included, and the same bits for any number of threads.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/training/loss.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

LossOptions options_of(bool dense, int64_t group_tokens) {
  LossOptions options;
  options.mtp_weight = 0.3;
  options.balance_weight = 0.5;
  options.indexer_weight = 1;
  options.dense_csa = dense;
  options.group_tokens = group_tokens;
  return options;
}

template <class Real>
LossReport run(test::SmallModel<Real>& small, Runtime<Real>& runtime, const TrainingBatch& batch,
               const LossOptions& options) {
  small.grads.zero();
  return loss_and_gradients<Real>(runtime.context(small.config), *small.model, batch, options,
                                  small.grads.params);
}

void check_same(const LossReport& whole, const LossReport& cut) {
  const auto near = [](double x) { return doctest::Approx(x).epsilon(1e-11); };
  CHECK(cut.loss == near(whole.loss));
  CHECK(cut.lm == near(whole.lm));
  CHECK(cut.mtp == near(whole.mtp));
  CHECK(cut.balance == near(whole.balance));
  CHECK(cut.expert_load == whole.expert_load);
  for (size_t i = 0; i < whole.indexer.size(); ++i) {
    CHECK(cut.indexer[i].queries == whole.indexer[i].queries);
    CHECK(cut.indexer[i].kl == near(whole.indexer[i].kl));
    CHECK(cut.indexer[i].kl_uniform == near(whole.indexer[i].kl_uniform));
    CHECK(cut.indexer[i].captured == near(whole.indexer[i].captured));
  }
}

void check_same(const test::SmallModel<double>& whole, const test::SmallModel<double>& cut) {
  for (const auto& [name, g] : whole.grads.all()) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < g.size(); ++i) {
      largest = std::max(largest, std::abs(g[i]));
      worst = std::max(worst, std::abs(g[i] - cut.grads[name][i]));
    }
    CAPTURE(name);
    CHECK(worst <= 1e-10 * largest + 1e-13);
  }
}

}  // namespace

TEST_CASE("a document in chunks has the losses and gradients of the whole") {
  for (const bool dense : {false, true}) {
    test::SmallModel<double> whole, cut;
    auto runtime = test::make_runtime<double>();
    const TrainingBatch batch = test::small_batch({9, 53, 2}, whole.config.vocab_size);
    const LossReport expected = run(whole, runtime, batch, options_of(dense, 1000));
    CHECK(expected.indexer[1].queries == 9 - 3 + 53 - 3);
    CHECK(expected.balance > 0);
    for (const int64_t tokens : {1, 7, 20, 52}) {
      CAPTURE(dense);
      CAPTURE(tokens);
      check_same(expected, run(cut, runtime, batch, options_of(dense, tokens)));
      check_same(whole, cut);
    }
    LossOptions no_balance = options_of(dense, 1000);
    no_balance.balance_weight = 0;
    const LossReport unbalanced = run(whole, runtime, batch, no_balance);
    no_balance.group_tokens = 16;
    LossReport found = run(cut, runtime, batch, no_balance);
    check_same(unbalanced, found);
    check_same(whole, cut);
  }
}

TEST_CASE("the indexer's warm-up in chunks") {
  test::SmallModel<double> whole, cut;
  auto runtime = test::make_runtime<double>();
  const TrainingBatch batch = test::small_batch({53, 5}, whole.config.vocab_size);
  LossOptions options = options_of(true, 1000);
  options.indexer_only = true;
  const LossReport expected = run(whole, runtime, batch, options);
  CHECK(expected.indexer[1].kl > 0);
  for (const int64_t tokens : {3, 16}) {
    CAPTURE(tokens);
    options.group_tokens = tokens;
    check_same(expected, run(cut, runtime, batch, options));
    check_same(whole, cut);
  }
}

TEST_CASE("losses alone in chunks") {
  test::SmallModel<double> small;
  auto runtime = test::make_runtime<double>();
  const TrainingBatch batch = test::small_batch({9, 53}, small.config.vocab_size);
  const auto ctx = runtime.context(small.config);
  std::vector<std::vector<double>> whole, cut;
  const LossReport a = evaluate_loss<double>(ctx, *small.model, batch, options_of(false, 1000), &whole);
  const LossReport b = evaluate_loss<double>(ctx, *small.model, batch, options_of(false, 7), &cut);
  CHECK(b.lm == doctest::Approx(a.lm).epsilon(1e-12));
  CHECK(b.mtp == doctest::Approx(a.mtp).epsilon(1e-12));
  CHECK(whole == cut);  // forward, a row's bits do not depend on its company
}

TEST_CASE("chunks: the same bits for any number of threads, in less memory") {
  test::SmallModel<float> one, two;
  auto single = test::make_runtime<float>(1), pair = test::make_runtime<float>(2);
  const TrainingBatch batch = test::small_batch({1000}, one.config.vocab_size);
  const LossReport a = run(one, single, batch, options_of(false, 64));
  const LossReport b = run(two, pair, batch, options_of(false, 64));
  CHECK(a.loss == b.loss);
  CHECK(a.indexer[1].kl == b.indexer[1].kl);
  for (const auto& [name, g] : one.grads.all()) {
    CAPTURE(name);
    CHECK(std::memcmp(g.data(), two.grads[name].data(), g.size() * sizeof(float)) == 0);
  }
  const int64_t bytes = single.arena().bytes();
  auto whole = test::make_runtime<float>(1);
  run(one, whole, batch, options_of(false, 1000));
  CHECK(bytes < whole.arena().bytes());
}

TEST_CASE("layers that keep what they need give the bits of layers run again") {
  test::SmallModel<float> again, kept;
  auto runtime = test::make_runtime<float>(2);
  const TrainingBatch batch = test::small_batch({70, 1, 33}, again.config.vocab_size);
  for (const int64_t group : {1000, 32}) {  // whole documents, and chunks
    const LossReport expected = run(again, runtime, batch, options_of(false, group));
    for (const int64_t layers : {1, 3, 5, 99}) {
      CAPTURE(group);
      CAPTURE(layers);
      LossOptions options = options_of(false, group);
      options.keep_layers = layers;
      const LossReport found = run(kept, runtime, batch, options);
      CHECK(found.loss == expected.loss);
      CHECK(found.expert_load == expected.expert_load);
      CHECK(found.indexer[1].kl == expected.indexer[1].kl);
      for (const auto& [name, g] : again.grads.all()) {
        CAPTURE(name);
        CHECK(std::memcmp(g.data(), kept.grads[name].data(), g.size() * sizeof(float)) == 0);
      }
    }
  }
}

}  // namespace fathom

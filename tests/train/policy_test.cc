// The policy's loss: its slopes against differences, alone and through a whole model in double precision.
#include "train/policy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "tests/support/finite_differences.h"
#include "tests/support/small_model.h"
#include "train/practice.h"

namespace fathom {
namespace {

// Documents with random answers behind prompts of different lengths.
Row answers(int64_t vocabulary) {
  Row row;
  for (const int64_t length : {19, 3, 26}) {
    RowDocument d;
    const auto i = static_cast<uint64_t>(row.size());
    for (int64_t t = 0; t < length; ++t) {
      const auto words = philox(7, i, static_cast<uint64_t>(t));
      d.tokens.push_back(static_cast<int32_t>(words[0] % static_cast<uint32_t>(vocabulary)));
      d.labels.push_back(t < length / 3 ? kUnlearned
                                        : static_cast<int32_t>(words[1] % static_cast<uint32_t>(vocabulary)));
    }
    d.credit.advantage = row.size() == 1 ? -0.7 : 1.3;
    row.push_back(std::move(d));
  }
  return row;
}

TrainingBatch batch_of(const Row& row) {
  TrainingBatch batch;
  for (const RowDocument& d : row) batch.push_back({d.tokens, d.labels, {}, {}});
  return batch;
}

// Ratios on both sides of both borders, none so near to one that a difference steps over it.
void give_credit(Row& row, const std::vector<std::vector<double>>& log_probs) {
  constexpr double kOffsets[] = {0.05, -0.1, 0.5, -0.6, 0, 0.12, -0.35, 0.3};
  size_t n = 0;
  for (size_t d = 0; d < row.size(); ++d) {
    for (size_t t = 0; t < row[d].labels.size(); ++t) {
      if (row[d].labels[t] == kUnlearned) continue;
      row[d].credit.sampled.push_back(log_probs[d][t] - kOffsets[n++ % std::size(kOffsets)]);
      row[d].credit.reference.push_back(log_probs[d][t] + 0.4 * std::sin(static_cast<double>(n)));
    }
  }
}

}  // namespace

TEST_CASE("a term's slope is the difference of its value, clipped or not") {
  for (const double advantage : {1.5, -0.5, 0.0}) {
    for (const double offset : {0.0, 0.1, -0.1, 0.7, -0.7}) {
      for (const double kl : {0.0, 0.3}) {
        const PolicyOptions options{0.2, 0.3, kl, 1};
        double log_prob = -1.2;
        const double sampled = log_prob - offset, reference = -0.9;
        const auto value = [&] {
          return policy_term(options, advantage, log_prob, sampled, reference).value;
        };
        const PolicyTerm term = policy_term(options, advantage, log_prob, sampled, reference);
        CAPTURE(advantage);
        CAPTURE(offset);
        const double slope = test::central_difference(value, &log_prob, 1e-3);
        CHECK(std::abs(slope - term.slope) <= 1e-6 * std::max(1.0, std::abs(slope)));
        CHECK(term.clipped == ((advantage > 0 && offset == 0.7) || (advantage < 0 && offset == -0.7)));
        CHECK((kl > 0) == (term.kl > 0));
      }
    }
  }
  // Nothing to learn at the reference itself.
  CHECK(policy_term({0.2, 0.2, 1, 1}, 0, -2, -2, -2).slope == 0);
}

TEST_CASE("every parameter's gradient is the slope of the policy's loss") {
  test::SmallModel<double> small(
      test::small_config_with({{"\"swiglu_limit\": 1.5", "\"swiglu_limit\": 100"}}));
  auto runtime = test::make_runtime<double>();
  Row row = answers(small.config.vocab_size);
  const TrainingBatch batch = batch_of(row);
  LossOptions options;
  options.temperature = 0.8;
  std::vector<std::vector<double>> log_probs;
  evaluate_loss<double>(runtime.context(small.config), *small.model, batch, options, &log_probs);
  give_credit(row, log_probs);
  const PolicyObjective objective(row, {0.2, 0.25, 0.1, 0.8});
  const PolicyFigures figures = objective.figures(log_probs);
  CHECK(figures.clipped > 0.1);
  CHECK(figures.clipped < 0.6);
  CHECK(figures.kl > 0);
  LossExtras<double> extras;
  extras.objective = &objective;
  const auto run = [&](const ModelParams<Mat<double>>& grads) {
    return loss_and_gradients<double>(runtime.context(small.config), *small.model, batch, options, grads,
                                      extras);
  };
  small.grads.zero();
  CHECK(run(small.grads.params).lm != doctest::Approx(0));
  test::Gradients<double> scratch(small.config, 1);
  uint64_t key = 0;
  double total = 0;
  for (auto& p : small.params) {
    ++key;
    if (p.name.ends_with("gate.bias")) continue;  // no gradient: it only chooses
    CAPTURE(p.name);
    const std::vector<double>& g = small.grads[p.name];
    const std::vector<double> at = p.values;  // along a random direction, through all elements at once
    double slope = 0, size = 0, offset = 0;
    for (size_t i = 0; i < g.size(); ++i) {
      slope += g[i] * philox_normal(key, i);
      size += g[i] * g[i];
    }
    total += size;
    const auto moved = [&] {
      for (size_t i = 0; i < at.size(); ++i) p.values[i] = at[i] + offset * philox_normal(key, i);
      return run(scratch.params).loss;
    };
    const double exact = test::central_difference(moved, &offset, 1e-5);
    p.values = at;
    CHECK(std::abs(exact - slope) <= 1e-5 * std::sqrt(size) + 1e-9);
  }
  CHECK(total > 0.01);
}

TEST_CASE("a group's advantages have mean 0 and deviation 1, or are 0") {
  const auto advantages = group_advantages({1, 0, 0, 1, 1});
  double mean = 0, square = 0;
  for (const double a : advantages) mean += a / 5, square += a * a / 5;
  CHECK(std::abs(mean) < 1e-12);
  CHECK(square == doctest::Approx(1));
  CHECK(advantages[0] > 0);
  CHECK(advantages[1] < 0);
  CHECK(group_advantages({1, 1, 1}) == std::vector<double>{0, 0, 0});
  // The mean of equal numbers need not be that number.
  CHECK(group_advantages(std::vector<double>(7, 0.1)) == std::vector<double>(7, 0.0));
}

TEST_CASE("a credit that does not fit its labels is refused by name") {
  Row row = answers(37);
  for (RowDocument& d : row) d.credit.sampled.assign(30, -1);
  CHECK_THROWS_WITH_AS(PolicyObjective(row, PolicyOptions{}),
                       doctest::Contains("document 0: credit: expected log-probabilities of 13 labels"),
                       Error);
}

}  // namespace fathom

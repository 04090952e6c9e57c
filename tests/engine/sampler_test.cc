// The sampler against distributions worked out by hand, and its purity.
#include "engine/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "base/error.h"
#include "base/rng.h"

using namespace fathom;

namespace {

// Probabilities .5 .25 .125 .0625 .0625
const std::vector<float> kLogits = {std::log(.5f), std::log(.25f), std::log(.125f), std::log(.0625f),
                                    std::log(.0625f)};

std::map<int32_t, double> frequencies(const std::vector<float>& logits, const SamplingParams& params,
                                      const TokenHistory& history = {},
                                      std::span<const uint64_t> allowed = {}) {
  constexpr int kDraws = 40000;
  std::map<int32_t, double> out;
  for (int i = 0; i < kDraws; ++i) out[pick_token(logits, params, history, 7, i, allowed)] += 1.0 / kDraws;
  return out;
}

// 40,000 draws: a frequency is within .012 of its probability but for one chance in a million.
constexpr double kNoise = 0.0125;

}  // namespace

TEST_CASE("plain sampling follows the distribution") {
  const auto f = frequencies(kLogits, {});
  for (size_t i = 0; i < kLogits.size(); ++i) {
    CHECK(std::abs(f.at(static_cast<int32_t>(i)) - std::exp(kLogits[i])) < kNoise);
  }
}

TEST_CASE("temperature reshapes it") {
  SamplingParams params;
  params.temperature = 0.5;  // squares the probabilities
  double sum = 0;
  for (const float l : kLogits) sum += std::exp(2 * l);
  const auto f = frequencies(kLogits, params);
  CHECK(std::abs(f.at(0) - .25 / sum) < kNoise);
  CHECK(std::abs(f.at(1) - .0625 / sum) < kNoise);
}

TEST_CASE("top-k, top-p and min-p cut the tail") {
  SamplingParams params;
  params.top_k = 2;
  auto f = frequencies(kLogits, params);
  CHECK(f.size() == 2);
  CHECK(std::abs(f.at(0) - 2.0 / 3) < kNoise);

  params = {};
  params.top_p = 0.7;  // .5 is not enough, .75 is
  f = frequencies(kLogits, params);
  CHECK(f.size() == 2);

  params.top_p = 0;  // the most probable token always stays
  f = frequencies(kLogits, params);
  CHECK(f.size() == 1);
  CHECK(f.count(0) == 1);

  params = {};
  params.min_p = 0.2;  // .125 / .5 stays, .0625 / .5 goes
  f = frequencies(kLogits, params);
  CHECK(f.size() == 3);
}

TEST_CASE("top-k keeps the lowest ids among equals") {
  SamplingParams params;
  params.top_k = 4;  // tokens 3 and 4 are equal
  const auto f = frequencies(kLogits, params);
  CHECK(f.count(3) == 1);
  CHECK(f.count(4) == 0);
}

TEST_CASE("penalties and bias") {
  SamplingParams greedy;
  greedy.temperature = 0;
  TokenHistory history;
  CHECK(pick_token(kLogits, greedy, history, 0, 0) == 0);

  const std::vector<float> logits = {2, 1.5f, -1};
  history.answer[0] = 2;
  SamplingParams p = greedy;
  p.presence_penalty = 0.6;  // 2 - .6 < 1.5
  CHECK(pick_token(logits, p, history, 0, 0) == 1);
  p = greedy;
  p.frequency_penalty = 0.3;  // 2 - 2 * .3
  CHECK(pick_token(logits, p, history, 0, 0) == 1);
  p.frequency_penalty = 0.2;  // 2 - .4
  CHECK(pick_token(logits, p, history, 0, 0) == 0);

  TokenHistory prompt;
  prompt.prompt[0] = 1;
  p = greedy;
  p.repetition_penalty = 1.5;  // 2 / 1.5 < 1.5
  CHECK(pick_token(logits, p, prompt, 0, 0) == 1);
  prompt.answer[0] = 1;  // once only, though the token is in both
  p.repetition_penalty = 1.3;
  CHECK(pick_token(logits, p, prompt, 0, 0) == 0);
  // A negative logit is multiplied: -1 * 1.5 falls below -1.2.
  prompt = {};
  prompt.prompt[0] = 1;
  p.repetition_penalty = 1.5;
  CHECK(pick_token(std::vector<float>{-1, -1.2f}, p, prompt, 0, 0) == 1);

  p = greedy;
  p.logit_bias = {{0, -100}};
  CHECK(pick_token(logits, p, {}, 0, 0) == 1);
  p.logit_bias = {{2, 4}};
  CHECK(pick_token(logits, p, {}, 0, 0) == 2);
}

TEST_CASE("a bias that bans all that a mask allows is not followed there") {
  const uint64_t mask = 0b01100;
  SamplingParams params;
  params.logit_bias = {{2, -100}, {3, -100}};
  auto f = frequencies(kLogits, params, {}, {&mask, 1});
  CHECK(f[2] + f[3] == doctest::Approx(1));
  params.logit_bias = {{2, -100}};
  CHECK(frequencies(kLogits, params, {}, {&mask, 1})[3] == doctest::Approx(1));
}

TEST_CASE("a mask bans all else, and banning everything is an error") {
  const uint64_t mask = 0b01100;
  const auto f = frequencies(kLogits, {}, {}, {&mask, 1});
  CHECK(f.size() == 2);
  CHECK(f.count(2) == 1);
  CHECK(f.count(3) == 1);
  const uint64_t none = 0;
  CHECK_THROWS_AS(pick_token(kLogits, {}, {}, 0, 0, {&none, 1}), Error);
}

TEST_CASE("a pick is a function of seed and position") {
  const SamplingParams params;
  bool differs = false;
  for (int64_t position = 0; position < 100; ++position) {
    const int32_t a = pick_token(kLogits, params, {}, 3, position);
    CHECK(a == pick_token(kLogits, params, {}, 3, position));
    differs = differs || a != pick_token(kLogits, params, {}, 4, position);
  }
  CHECK(differs);
}

TEST_CASE("logits that are no numbers are refused, and not answered with token 0") {
  const std::vector<float> broken(10, std::numeric_limits<float>::quiet_NaN());
  for (const double temperature : {0.0, 1.0}) {
    SamplingParams p;
    p.temperature = temperature;
    CHECK_THROWS_AS(pick_token(broken, p, {}, 1, 0), Error);
  }
}

TEST_CASE("log-probabilities are of the raw logits") {
  const TokenLogprobs p = log_probabilities(kLogits, 2, 3);
  CHECK(p.chosen.id == 2);
  CHECK(std::abs(p.chosen.logprob - std::log(.125)) < 1e-6);
  REQUIRE(p.top.size() == 3);
  CHECK(p.top[0].id == 0);
  CHECK(std::abs(p.top[1].logprob - std::log(.25)) < 1e-6);
  CHECK(log_probabilities(kLogits, 0, 99).top.size() == kLogits.size());
}

TEST_CASE("parameters out of range are named") {
  const auto message = [](const SamplingParams& p) {
    try {
      p.check(10);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  SamplingParams p;
  CHECK(message(p).empty());
  p.temperature = -1;
  CHECK(message(p).find("temperature") == 0);
  p = {};
  p.top_p = 1.5;
  CHECK(message(p).find("top-p") == 0);
  p = {};
  p.top_p = NAN;
  CHECK(message(p).find("top-p") == 0);
  p = {};
  p.top_k = -1;
  CHECK(message(p).find("top-k") == 0);
  p = {};
  p.logit_bias = {{10, 1}};
  CHECK(message(p).find("logit-bias: expected a token id below 10, found 10") == 0);
}

namespace {

// The definition, with everything sorted and every sum in order of probability.
int32_t picked_in_full(const std::vector<float>& logits, const SamplingParams& params, uint64_t seed,
                       int64_t position) {
  std::vector<std::pair<double, int32_t>> order;
  for (size_t i = 0; i < logits.size(); ++i)
    order.emplace_back(-static_cast<double>(logits[i]), static_cast<int32_t>(i));
  std::sort(order.begin(), order.end());
  if (params.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(params.top_k)));
  std::vector<double> weights;
  weights.reserve(order.size());
  for (const auto& [value, id] : order)
    weights.push_back(std::exp((-value + order[0].first) / params.temperature));
  const auto sum = [&] {
    double all = 0;
    for (const double w : weights) all += w;
    return all;
  };
  if (params.top_p < 1) {
    const double mass = sum();
    size_t kept = 0;
    for (double so_far = 0; kept < weights.size() && (kept == 0 || so_far < params.top_p * mass);)
      so_far += weights[kept++];
    weights.resize(kept);
  }
  if (params.min_p > 0) {
    size_t kept = 1;
    while (kept < weights.size() && weights[kept] >= params.min_p) ++kept;
    weights.resize(kept);
  }
  const double target = philox_uniform(seed, static_cast<uint64_t>(position)) * sum();
  double so_far = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    so_far += weights[i];
    if (so_far > target) return order[i].second;
  }
  return order[weights.size() - 1].second;
}

}  // namespace

TEST_CASE("what is chosen is what sorting and adding up everything would choose") {
  std::mt19937 random(1);
  for (const size_t size : std::array<size_t, 7>{1, 2, 63, 64, 65, 300, 2500}) {
    for (const double spread : {0.0, 0.5, 4.0, 40.0}) {
      std::normal_distribution<float> draw(0, 1);
      std::vector<float> logits(size);
      for (float& l : logits) l = static_cast<float>(spread) * draw(random);
      for (const int64_t top_k : {0, 1, 50}) {
        for (const double top_p : {1.0, 0.95, 0.3, 0.0}) {
          for (const double temperature : {1.0, 0.2, 3.0, 1e-310}) {
            SamplingParams params;
            params.top_k = top_k;
            params.top_p = top_p;
            params.temperature = temperature;
            params.min_p = size % 2 == 0 ? 0.02 : 0;
            for (int64_t position = 0; position < 8; ++position) {
              CAPTURE(size);
              CAPTURE(spread);
              CAPTURE(top_k);
              CAPTURE(top_p);
              CAPTURE(temperature);
              REQUIRE(pick_token(logits, params, {}, 11, position) ==
                      picked_in_full(logits, params, 11, position));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("where a sum comes to the drawn point almost exactly, the exact sums decide") {
  // Equal weights: each whole number of them is as near to the point as the rough sum can tell, or nearer.
  for (const size_t size : std::array<size_t, 2>{1000, 5000}) {
    const std::vector<float> logits(size, 1.25f);
    for (int64_t position = 0; position < 200; ++position) {
      const int32_t found = pick_token(logits, {}, {}, 3, position);
      REQUIRE(found == picked_in_full(logits, {}, 3, position));
    }
  }
}

TEST_CASE("the greatest value is found wherever it lies, and the first of equal ones") {
  for (size_t size = 1; size < 70; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::vector<float> values(size, -3.0f);
      values[at] = 2;
      CHECK(arg_max(values) == static_cast<int32_t>(at));
      std::fill(values.begin() + static_cast<std::ptrdiff_t>(at), values.end(), 2.0f);
      CHECK(arg_max(values) == static_cast<int32_t>(at));
    }
  }
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  CHECK(arg_max(std::vector<float>{kNone, kNone, std::nanf(""), kNone}) == 0);
  CHECK(arg_max(std::vector<float>{std::nanf(""), 1}) == 0);
  CHECK(arg_max(std::vector<float>{0, std::nanf(""), 1}) == 2);
}

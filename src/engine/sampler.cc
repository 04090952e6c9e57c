#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/rng.h"

namespace fathom {
namespace {

constexpr double kBanned = -std::numeric_limits<double>::infinity();

struct Candidate {
  int32_t id;
  double logit;
};
bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Logits after mask, bias and penalties.
void adjust(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
            std::span<const uint64_t> allowed, std::vector<double>& out) {
  out.assign(logits.begin(), logits.end());
  for (const auto& [id, bias] : params.logit_bias) {
    double& v = out[static_cast<size_t>(id)];
    v = bias <= -100 ? kBanned : v + bias;
  }
  if (params.repetition_penalty != 1) {
    const auto penalise = [&](int32_t id) {
      double& v = out[static_cast<size_t>(id)];
      v = v > 0 ? v / params.repetition_penalty : v * params.repetition_penalty;
    };
    for (const auto& [id, count] : history.prompt) penalise(id);
    for (const auto& [id, count] : history.answer) {
      if (!history.prompt.contains(id)) penalise(id);
    }
  }
  if (params.presence_penalty != 0 || params.frequency_penalty != 0) {
    for (const auto& [id, count] : history.answer) {
      out[static_cast<size_t>(id)] -=
          params.presence_penalty + params.frequency_penalty * static_cast<double>(count);
    }
  }
  if (!allowed.empty()) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (!(allowed[i / 64] >> (i % 64) & 1)) out[i] = kBanned;
    }
  }
}

// exp of x <= 0 to some 1e-6 of it (0 below -87), without a call, so that a loop over it is vectors.
float rough_exp(float x) {
  x = std::max(-87.0f, x);  // in this order: what is no number becomes -87
  const float scaled = x * 1.44269504f;
  const auto whole = static_cast<int32_t>(scaled - 0.5f);  // scaled <= 0: rounds to the nearest
  const float part = (scaled - static_cast<float>(whole)) * 0.69314718f;
  const float series =
      1 + part * (1 + part * (0.5f + part * (0.16666667f + part * (0.041666667f + part * 0.0083333333f))));
  return series * std::bit_cast<float>((whole + 127) << 23);
}
// Beside rough_exp's own error, those of float arguments and sums.
constexpr double kRough = 1e-4;

// Candidates in order of probability, sorted as far as is asked for, and their weights.
class Ranking {
 public:
  Ranking(std::vector<Candidate>& all, double top, double temperature)
      : all_(all), top_(top), temperature_(temperature) {}

  void sort_first(size_t count) {
    count = std::min(count, all_.size());
    if (count <= sorted_) return;
    const auto begin = all_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    const auto middle = all_.begin() + static_cast<std::ptrdiff_t>(count);
    if (middle != all_.end()) std::nth_element(begin, middle, all_.end(), before);
    std::sort(begin, middle, before);
    sorted_ = count;
  }
  const Candidate& at(size_t i) {
    if (i >= sorted_) sort_first(std::max<size_t>(64, 4 * i));
    return all_[i];
  }
  double weight(size_t i) { return std::exp((at(i).logit - top_) / temperature_); }
  size_t size() const { return all_.size(); }
  void keep(size_t count) { all_.resize(count); }
  /// All weights, added in order of probability.
  double mass() {
    double sum = 0;
    for (size_t i = 0; i < size(); ++i) sum += weight(i);
    return sum;
  }
  /// The same to kRough of it, in no order.
  double rough_mass() const {
    const double scale = std::min(1 / temperature_, 1e300);
    std::array<float, 1024> weights{};
    std::array<double, 8> sums{};
    for (size_t begin = 0; begin < all_.size(); begin += weights.size()) {
      const size_t count = std::min(weights.size(), all_.size() - begin);
      for (size_t i = 0; i < count; ++i)
        weights[i] = rough_exp(static_cast<float>((all_[begin + i].logit - top_) * scale));
      std::fill(weights.begin() + static_cast<std::ptrdiff_t>(count), weights.end(), 0.0f);
      for (size_t i = 0; i < count; i += sums.size()) {
        for (size_t lane = 0; lane < sums.size(); ++lane)
          sums[lane] += static_cast<double>(weights[i + lane]);
      }
    }
    double sum = 0;
    for (const double each : sums) sum += each;
    return sum;
  }

 private:
  std::vector<Candidate>& all_;
  double top_, temperature_;
  size_t sorted_ = 0;
};

// How many of the first candidates it takes until their weights come to `share` of all (more than that, if
// `beyond`). The mass of all is only worked out, in order, where the rough one leaves a doubt: what comes out
// is always what the exact sums give.
size_t count_to(Ranking& ranking, double share, bool beyond) {
  const double rough = ranking.rough_mass(), doubt = kRough * rough;
  double target = share * rough, sum = 0;
  bool exact = false;
  size_t count = 0;
  while (count < ranking.size()) {
    if (count > 0 && !exact && std::abs(sum - target) <= doubt) {
      target = share * ranking.mass();
      exact = true;
    }
    if (count > 0 && (beyond ? sum > target : sum >= target)) break;
    sum += ranking.weight(count++);
  }
  return count;
}

}  // namespace

void SamplingParams::check(int64_t vocab_size) const {
  const auto range = [](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high))
      bad_input("{}: expected {} to {}, found {}", name, low, high, value);
  };
  range("temperature", temperature, 0, 100);
  range("top-p", top_p, 0, 1);
  range("min-p", min_p, 0, 1);
  range("repetition-penalty", repetition_penalty, 0.01, 100);
  range("presence-penalty", presence_penalty, -100, 100);
  range("frequency-penalty", frequency_penalty, -100, 100);
  if (top_k < 0) bad_input("top-k: expected 0 or more, found {}", top_k);
  for (const auto& [id, bias] : logit_bias) {
    if (id < 0 || id >= vocab_size)
      bad_input("logit-bias: expected a token id below {}, found {}", vocab_size, id);
    range("logit-bias", bias, -1000, 1000);
  }
}

int32_t arg_max(std::span<const float> logits) {
  FATHOM_CHECK(!logits.empty());
  constexpr size_t kLanes = 16;
  if (std::isnan(logits[0])) return 0;
  std::array<float, kLanes> most;
  most.fill(-std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane)
      most[lane] = logits[i + lane] > most[lane] ? logits[i + lane] : most[lane];
  }
  for (; i < logits.size(); ++i) most[0] = logits[i] > most[0] ? logits[i] : most[0];
  const float top = *std::max_element(most.begin(), most.end());
  return static_cast<int32_t>(std::find(logits.begin(), logits.end(), top) - logits.begin());
}

int32_t pick_token(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                   uint64_t seed, int64_t position, std::span<const uint64_t> allowed) {
  const bool plain = params.logit_bias.empty() && params.repetition_penalty == 1 &&
                     params.presence_penalty == 0 && params.frequency_penalty == 0 && allowed.empty();
  if (plain && params.temperature == 0) {
    const int32_t best = arg_max(logits);
    if (!std::isfinite(logits[static_cast<size_t>(best)]))
      bad_input("sampling: expected finite logits, found {}", logits[static_cast<size_t>(best)]);
    return best;
  }
  // Kept from token to token: a vocabulary's worth of memory each.
  static thread_local std::vector<double> values;
  static thread_local std::vector<Candidate> candidates;
  candidates.clear();
  if (plain) {
    for (size_t i = 0; i < logits.size(); ++i) {
      const auto value = static_cast<double>(logits[i]);
      if (value > kBanned) candidates.push_back({static_cast<int32_t>(i), value});
    }
  } else {
    adjust(logits, params, history, allowed, values);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] > kBanned) candidates.push_back({static_cast<int32_t>(i), values[i]});
    }
  }
  if (candidates.empty() && !allowed.empty() && !params.logit_bias.empty()) {
    // The bias bans all that the mask allows here: what an answer must look like counts more.
    SamplingParams unbiased = params;
    unbiased.logit_bias.clear();
    return pick_token(logits, unbiased, history, seed, position, allowed);
  }
  if (candidates.empty()) fail(ErrorCode::bad_input, "sampling: every token is banned or not finite");
  if (params.temperature == 0) return std::min_element(candidates.begin(), candidates.end(), before)->id;

  double top = kBanned;
  for (const Candidate& c : candidates) top = std::max(top, c.logit);
  Ranking ranking(candidates, top, params.temperature);
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < ranking.size()) {
    ranking.sort_first(static_cast<size_t>(params.top_k));
    ranking.keep(static_cast<size_t>(params.top_k));
  }
  if (params.top_p < 1) ranking.keep(count_to(ranking, params.top_p, false));
  if (params.min_p > 0) {
    size_t kept = 1;
    while (kept < ranking.size() && ranking.weight(kept) >= params.min_p) ++kept;
    ranking.keep(kept);
  }
  const double point = philox_uniform(seed, static_cast<uint64_t>(position));
  return ranking.at(count_to(ranking, point, true) - 1).id;
}

double log_sum_exp(std::span<const float> logits) {
  const double top = logits[static_cast<size_t>(arg_max(logits))];
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - top);
  return top + std::log(sum);
}

TokenLogprobs log_probabilities(std::span<const float> logits, int32_t id, int64_t count) {
  const double total = log_sum_exp(logits);
  TokenLogprobs out;
  out.chosen = {id, static_cast<double>(logits[static_cast<size_t>(id)]) - total};
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i)
    all.push_back({static_cast<int32_t>(i), static_cast<double>(logits[i])});
  count = std::min(count, static_cast<int64_t>(all.size()));
  std::partial_sort(all.begin(), all.begin() + count, all.end(), before);
  for (int64_t i = 0; i < count; ++i) {
    const Candidate& c = all[static_cast<size_t>(i)];
    out.top.push_back({c.id, c.logit - total});
  }
  return out;
}

}  // namespace fathom

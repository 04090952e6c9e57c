#include "engine/sampler.h"

#include <algorithm>
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
std::vector<double> adjusted(std::span<const float> logits, const SamplingParams& params,
                             const TokenHistory& history, std::span<const uint64_t> allowed) {
  std::vector<double> out(logits.begin(), logits.end());
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
  for (const auto& [id, count] : history.answer) {
    out[static_cast<size_t>(id)] -=
        params.presence_penalty + params.frequency_penalty * static_cast<double>(count);
  }
  if (!allowed.empty()) {
    for (size_t i = 0; i < out.size(); ++i) {
      if (!(allowed[i / 64] >> (i % 64) & 1)) out[i] = kBanned;
    }
  }
  return out;
}

// The first `count` of the candidates in order of probability; sorted further as asked for.
class Ranking {
 public:
  explicit Ranking(std::vector<Candidate> all) : all_(std::move(all)) {}
  void sort_first(size_t count) {
    count = std::min(count, all_.size());
    if (count <= sorted_) return;
    std::partial_sort(all_.begin() + static_cast<std::ptrdiff_t>(sorted_),
                      all_.begin() + static_cast<std::ptrdiff_t>(count), all_.end(), before);
    sorted_ = count;
  }
  const Candidate& at(size_t i) {
    if (i >= sorted_) sort_first(std::max<size_t>(64, 4 * i));
    return all_[i];
  }
  size_t size() const { return all_.size(); }
  void keep(size_t count) { all_.resize(count); }

 private:
  std::vector<Candidate> all_;
  size_t sorted_ = 0;
};

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
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<int32_t>(best);
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
  const std::vector<double> values = adjusted(logits, params, history, allowed);

  std::vector<Candidate> candidates;
  candidates.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] > kBanned) candidates.push_back({static_cast<int32_t>(i), values[i]});
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
  const auto weight = [&](const Candidate& c) { return std::exp((c.logit - top) / params.temperature); };
  Ranking ranking(std::move(candidates));
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < ranking.size()) {
    ranking.sort_first(static_cast<size_t>(params.top_k));
    ranking.keep(static_cast<size_t>(params.top_k));
  }
  if (params.top_p < 1) {
    double mass = 0, sum = 0;
    for (size_t i = 0; i < ranking.size(); ++i) mass += weight(ranking.at(i));
    size_t kept = 0;
    while (kept < ranking.size() && (kept == 0 || sum < params.top_p * mass))
      sum += weight(ranking.at(kept++));
    ranking.keep(kept);
  }
  if (params.min_p > 0) {
    size_t kept = 1;
    while (kept < ranking.size() && weight(ranking.at(kept)) >= params.min_p) ++kept;
    ranking.keep(kept);
  }
  double mass = 0;
  for (size_t i = 0; i < ranking.size(); ++i) mass += weight(ranking.at(i));
  const double target = philox_uniform(seed, static_cast<uint64_t>(position)) * mass;
  double sum = 0;
  for (size_t i = 0; i < ranking.size(); ++i) {
    sum += weight(ranking.at(i));
    if (sum > target) return ranking.at(i).id;
  }
  return ranking.at(ranking.size() - 1).id;
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

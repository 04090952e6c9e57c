#pragma once
/// Choice of the next token from its logits: a pure function of (logits, parameters, history, seed,
/// position).

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace fathom {

/// Applied in this order: bias, penalties, temperature, top-k, top-p, min-p.
struct SamplingParams {
  double temperature = 1;  ///< 0 = greedy (the most probable after bias and penalties)
  int64_t top_k = 0;       ///< 0 = off
  double top_p = 1;        ///< smallest set of the most probable tokens whose mass reaches top_p; 1 = off
  double min_p = 0;        ///< drops tokens less probable than min_p times the most probable; 0 = off
  double repetition_penalty =
      1;  ///< divides positive logits of tokens seen (prompt and answer), multiplies others
  double presence_penalty = 0;                         ///< subtracted once from tokens of the answer
  double frequency_penalty = 0;                        ///< subtracted per occurrence in the answer
  std::vector<std::pair<int32_t, double>> logit_bias;  ///< added; -100 and below bans

  /// Throws Error(bad_input) naming the flag whose value is out of range. Bias ids must lie below vocab_size.
  void check(int64_t vocab_size) const;
};

/// Which tokens a sequence has so far.
struct TokenHistory {
  std::unordered_map<int32_t, int64_t> prompt, answer;  ///< occurrences
  void add_prompt(std::span<const int32_t> ids) {
    for (const int32_t id : ids) ++prompt[id];
  }
};

/// The next token. `allowed`, if not empty, has a bit per token id (least significant first): others are
/// never taken. Equal logits: the lowest id. The same arguments always give the same token.
int32_t pick_token(std::span<const float> logits, const SamplingParams& params, const TokenHistory& history,
                   uint64_t seed, int64_t position, std::span<const uint64_t> allowed = {});

struct TokenLogprob {
  int32_t id = 0;
  double logprob = 0;
};
/// ln softmax of the raw logits, at `id` and for the `count` most probable tokens, best first.
struct TokenLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};
TokenLogprobs log_probabilities(std::span<const float> logits, int32_t id, int64_t count);

/// ln of the sum of exp(logits), in double, added in order.
double log_sum_exp(std::span<const float> logits);
/// Index of the greatest value, the lowest among equals.
int32_t arg_max(std::span<const float> logits);

}  // namespace fathom

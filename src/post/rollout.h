#pragma once
/// Many answers at once: a batch of sequences that each step adds a token to, new ones taking the places of
/// those that end. For evaluation and reinforcement learning, where prompts are known beforehand; requests
/// that come and go are the scheduler's (engine/serving).

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "engine/sampler.h"
#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

struct RolloutRequest {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 256;  ///< of the answer
  uint64_t seed = 0;         ///< used where the temperature is above 0
};

struct Rollout {
  std::vector<int32_t> ids;      ///< of the answer, a final stop token included
  std::vector<double> logprobs;  ///< ln p of each id given those before, if asked for
  bool ended = false;            ///< by a stop token
};

struct RolloutOptions {
  SamplingParams sampling;  ///< temperature 0: greedy
  std::vector<int32_t> stop_tokens;
  int64_t batch = 64;       ///< sequences at a time
  int64_t step_rows = 512;  ///< rows of a step, prompts' included
  /// ln p of the raw logits over logprob_temperature (before top-k and the like), with the bits that a
  /// training pass over the same tokens finds in the same numerics.
  bool logprobs = false;
  double logprob_temperature = 1;
  Progress progress;  ///< answers finished; false stops, what is unfinished stays so
};

/// Answers in the order of the requests. An answer does not depend on the others, nor on batch and step_rows.
/// Throws Error(bad_input) for an empty prompt, one longer than the model reads, ids outside the vocabulary
/// or sampling parameters out of range; with a runtime, Error(out_of_memory) if a batch of the longest
/// answers is beyond its bound (model/memory_limit.h).
std::vector<Rollout> roll_out(const Model& model, const Context<float>& ctx,
                              std::span<const RolloutRequest> requests, const RolloutOptions& options);
std::vector<Rollout> roll_out(const Model& model, Runtime<float>& runtime,
                              std::span<const RolloutRequest> requests, const RolloutOptions& options);

}  // namespace fathom

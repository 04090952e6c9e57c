// The needle map: one fact, at every depth of texts of several lengths.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "post/task_evaluation.h"
#include "text/completion.h"
#include "train/stories/story.h"

namespace fathom {
namespace {

constexpr int64_t kMaxAnswer = 160;
constexpr uint64_t kProbes = 6;

// Sentences of filler whose prompt comes to about `length` tokens.
int64_t sentences_for(const Tokenizer& tokenizer, const NeedleOptions& options, Generation generation,
                      int64_t length) {
  const auto tokens = [&](int64_t sentences) {
    int64_t sum = 0;
    for (uint64_t i = 0; i < kProbes; ++i) {
      Draw draw(options.seed, ~i);  // none of the map's own
      const Problem problem = needle_problem(draw, sentences, 0.5);
      sum += std::ssize(problem_prompt(tokenizer, problem, options.think, generation));
    }
    return sum / static_cast<int64_t>(kProbes);
  };
  int64_t low = 1, high = 2;
  while (tokens(high) < length) high *= 2;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (tokens(middle) <= length ? low : high) = middle;
  }
  return low;
}

}  // namespace

NeedleMap needle_map(const Model& model, Runtime<float>& runtime, const Tokenizer& tokenizer,
                     const ChatSetup& setup, const NeedleOptions& options) {
  NeedleMap map;
  map.lengths = options.lengths;
  map.count = options.count;
  for (int64_t d = 0; d < options.depths; ++d) {
    map.depths.push_back(options.depths > 1 ? static_cast<double>(d) / static_cast<double>(options.depths - 1)
                                            : 0.5);
  }
  const int64_t longest = model.config().max_position_embeddings - kMaxAnswer;
  std::vector<Problem> problems;
  std::vector<RolloutRequest> requests;
  for (const int64_t length : options.lengths) {
    if (length < 64 || length > longest)
      bad_input("length: expected 64 to {} tokens, found {}", longest, length);
    const int64_t sentences = sentences_for(tokenizer, options, setup.generation, length);
    double sum = 0;
    for (size_t d = 0; d < map.depths.size(); ++d) {
      for (int64_t i = 0; i < options.count; ++i) {
        Draw draw(options.seed, static_cast<uint64_t>(requests.size()) + 1);
        problems.push_back(needle_problem(draw, sentences, map.depths[d]));
        requests.push_back(
            {problem_prompt(tokenizer, problems.back(), options.think, setup.generation), kMaxAnswer});
        sum += static_cast<double>(requests.back().prompt.size());
      }
    }
    map.mean_tokens.push_back(sum /
                              static_cast<double>(std::max<int64_t>(1, options.count * options.depths)));
  }
  RolloutOptions rollout;
  rollout.sampling.temperature = 0;
  rollout.stop_tokens = setup.stop_tokens;
  rollout.batch = options.batch;
  rollout.progress = [&](int64_t done, int64_t total) {
    map.stopped = options.progress && !options.progress(done, total);
    return !map.stopped;
  };
  const auto answers = roll_out(model, runtime, requests, rollout);
  if (map.stopped) return map;
  map.recalled.assign(map.depths.size(), std::vector<double>(map.lengths.size()));
  size_t at = 0;
  for (size_t l = 0; l < map.lengths.size(); ++l) {
    for (size_t d = 0; d < map.depths.size(); ++d) {
      int64_t right = 0;
      for (int64_t i = 0; i < options.count; ++i, ++at) {
        if (!answers[at].ended) continue;
        const std::span<const int32_t> ids(answers[at].ids.data(), answers[at].ids.size() - 1);
        const auto mode = options.think == Think::off ? ThinkingMode::chat : ThinkingMode::thinking;
        const Completion completion = parse_completion(tokenizer.decode(ids, false), mode);
        right += is_right(problems[at], completion.content, completion.tool_calls);
      }
      map.recalled[d][l] =
          static_cast<double>(right) / static_cast<double>(std::max<int64_t>(1, options.count));
    }
  }
  return map;
}

}  // namespace fathom

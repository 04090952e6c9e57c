#include "post/asked_problem.h"

#include "base/error.h"
#include "base/rng.h"
#include "post/task_evaluation.h"

namespace fathom {

AskedProblem ask_problem(const PracticeSetting& setting, const PracticeProblems& problems, uint64_t seed,
                         uint64_t index) {
  constexpr uint64_t kTries = 64;  // problems passed over in a row
  const TaskMix mix = problems.mix();
  int64_t shortest = INT64_MAX;
  for (uint64_t t = 0; t < kTries; ++t) {
    AskedProblem asked{make_problem(mix, seed, index * kTries + t), {}};
    asked.prompt =
        problem_prompt(setting.tokenizer, asked.made.problem, asked.made.think, setting.setup.generation);
    if (std::ssize(asked.prompt) + problems.max_tokens <= setting.row) return asked;
    shortest = std::min(shortest, std::ssize(asked.prompt));
  }
  bad_input("row: expected room for prompts of {} tokens and more with max_tokens ({}), found {}", shortest,
            problems.max_tokens, setting.row);
}

RolloutRequest request_for(const AskedProblem& asked, const PracticeProblems& problems, uint64_t seed,
                           uint64_t index, int64_t k) {
  const auto words = philox(seed, index, static_cast<uint64_t>(k));
  return {asked.prompt, problems.max_tokens, static_cast<uint64_t>(words[0]) << 32 | words[1]};
}

std::vector<Rollout> answers_of(ModelLearner& learner, const PracticeSetting& setting,
                                std::span<const RolloutRequest> requests, double temperature, int64_t batch) {
  RolloutOptions options;
  options.sampling.temperature = options.logprob_temperature = temperature;
  options.stop_tokens = setting.setup.stop_tokens;
  options.batch = batch;
  options.logprobs = true;
  return roll_out(learner.model(), learner.context(), requests, options);
}

RowDocument document_of(const std::vector<int32_t>& prompt, const Rollout& answer) {
  RowDocument d;
  d.tokens = prompt;
  d.tokens.insert(d.tokens.end(), answer.ids.begin(), answer.ids.end() - 1);
  d.labels.assign(prompt.size() - 1, kUnlearned);
  d.labels.insert(d.labels.end(), answer.ids.begin(), answer.ids.end());
  return d;
}

double add_answer(const PracticeSetting& setting, const AskedProblem& asked, const Rollout& answer,
                  PracticeFigures& figures) {
  std::string text;
  const bool right = is_right_answer(setting.tokenizer, asked.made.problem, asked.made.think, answer, text);
  ++figures.answers;
  figures.right += right;
  figures.ended += answer.ended;
  figures.tokens += std::ssize(answer.ids);
  figures.reward += right ? 1 : 0;
  for (const double log_prob : answer.logprobs) figures.entropy -= log_prob;
  return right ? 1 : 0;
}

void finish(PracticeFigures& figures) {
  figures.reward /= static_cast<double>(figures.answers);
  figures.entropy /= static_cast<double>(figures.tokens);
}

ModelLearner& model_of(Learner& learner) {
  auto* model = dynamic_cast<ModelLearner*>(&learner);
  if (model == nullptr)
    fail(ErrorCode::unsupported, "practice: expected the learner of a model, found another");
  return *model;
}

}  // namespace fathom

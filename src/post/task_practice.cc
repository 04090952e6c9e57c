#include "post/task_practice.h"

#include "base/error.h"
#include "base/rng.h"
#include "post/task_evaluation.h"
#include "train/model_learner.h"

namespace fathom {
namespace {

constexpr uint64_t kTries = 64;  // problems passed over in a row

ModelLearner& model_of(Learner& learner) {
  auto* model = dynamic_cast<ModelLearner*>(&learner);
  if (model == nullptr)
    fail(ErrorCode::unsupported, "practice: expected the learner of a model, found another");
  return *model;
}

// A prompt and its answer; the last token is a label alone.
RowDocument document_of(const std::vector<int32_t>& prompt, const Rollout& answer, double advantage) {
  RowDocument d;
  d.tokens = prompt;
  d.tokens.insert(d.tokens.end(), answer.ids.begin(), answer.ids.end() - 1);
  d.labels.assign(prompt.size() - 1, kUnlearned);
  d.labels.insert(d.labels.end(), answer.ids.begin(), answer.ids.end());
  d.credit = {advantage, answer.logprobs, {}};
  return d;
}

// What the reference thinks of the answers' tokens.
void add_reference(ModelLearner& reference, const PolicyOptions& policy, std::vector<Row>& steps) {
  PassOptions pass;
  pass.policy = policy;
  for (Row& row : steps) {
    const auto log_probs = reference.log_probs(row, pass);
    for (size_t d = 0; d < row.size(); ++d) {
      for (size_t t = 0; t < row[d].labels.size(); ++t) {
        if (row[d].labels[t] != kUnlearned) row[d].credit.reference.push_back(log_probs[d][t]);
      }
    }
  }
}

}  // namespace

struct TaskPractice::Asked {
  MadeProblem made;
  std::vector<int32_t> prompt;
};

TaskPractice::TaskPractice(const Tokenizer& tokenizer, const ChatSetup& setup, const GrpoOptions& options,
                           int64_t row)
    : tokenizer_(tokenizer), setup_(setup), options_(options), mix_(options.mix()), row_(row) {}

TaskPractice::Asked TaskPractice::draw(uint64_t seed, uint64_t index) const {
  int64_t shortest = INT64_MAX;
  for (uint64_t t = 0; t < kTries; ++t) {
    Asked asked{make_problem(mix_, seed, index * kTries + t), {}};
    asked.prompt = problem_prompt(tokenizer_, asked.made.problem, asked.made.think, setup_.generation);
    if (std::ssize(asked.prompt) + options_.max_tokens <= row_) return asked;
    shortest = std::min(shortest, std::ssize(asked.prompt));
  }
  bad_input("row: expected room for prompts of {} tokens and more with grpo.max_tokens ({}), found {}",
            shortest, options_.max_tokens, row_);
}

PracticeRound TaskPractice::practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) {
  ModelLearner& live = model_of(learner);
  std::vector<Asked> problems;
  std::vector<RolloutRequest> requests;
  for (int64_t i = 0; i < options_.problems; ++i) {
    const auto index = static_cast<uint64_t>(round * options_.problems + i);
    problems.push_back(draw(seed, index));
    for (int64_t k = 0; k < options_.group; ++k) {
      const auto words = philox(seed, index, static_cast<uint64_t>(k));
      requests.push_back(
          {problems.back().prompt, options_.max_tokens, static_cast<uint64_t>(words[0]) << 32 | words[1]});
    }
  }
  RolloutOptions rollout;
  rollout.sampling.temperature = rollout.logprob_temperature = options_.policy.temperature;
  rollout.stop_tokens = setup_.stop_tokens;
  rollout.batch = options_.batch;
  rollout.logprobs = true;
  const std::vector<Rollout> answers = roll_out(live.model(), live.context(), requests, rollout);

  PracticeRound out;
  PracticeFigures& f = out.figures;
  out.steps.resize(static_cast<size_t>(options_.updates));
  const auto group = static_cast<size_t>(options_.group);
  const int64_t each = options_.problems / options_.updates;
  for (size_t p = 0; p < problems.size(); ++p) {
    std::vector<double> rewards;
    std::string text;
    for (size_t i = p * group; i < (p + 1) * group; ++i) {
      const Asked& asked = problems[p];
      const bool right = is_right_answer(tokenizer_, asked.made.problem, asked.made.think, answers[i], text);
      rewards.push_back(right ? 1 : 0);
      f.right += right;
      f.ended += answers[i].ended;
      f.tokens += std::ssize(answers[i].ids);
      f.reward += rewards.back();
      for (const double log_prob : answers[i].logprobs) f.entropy -= log_prob;
    }
    const std::vector<double> advantages = group_advantages(rewards);
    ++f.groups;
    f.contrast += advantages[0] != 0;
    if (advantages[0] == 0 && options_.policy.kl == 0) continue;  // no gradient
    Row& row = out.steps[p / static_cast<size_t>(each)];
    for (size_t k = 0; k < group; ++k)
      row.push_back(document_of(problems[p].prompt, answers[p * group + k], advantages[k]));
  }
  f.answers = std::ssize(answers);
  f.reward /= static_cast<double>(f.answers);
  f.entropy /= static_cast<double>(f.tokens);
  if (reference != nullptr) add_reference(model_of(*reference), options_.policy, out.steps);
  return out;
}

}  // namespace fathom

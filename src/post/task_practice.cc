#include "post/task_practice.h"

namespace fathom {
namespace {

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

PracticeRound TaskPractice::practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) {
  std::vector<AskedProblem> problems;
  std::vector<RolloutRequest> requests;
  for (int64_t i = 0; i < options_.problems; ++i) {
    const auto index = static_cast<uint64_t>(round * options_.problems + i);
    problems.push_back(ask_problem(setting_, options_, seed, index));
    for (int64_t k = 0; k < options_.group; ++k)
      requests.push_back(request_for(problems.back(), options_, seed, index, k));
  }
  const auto answers =
      answers_of(model_of(learner), setting_, requests, options_.policy.temperature, options_.batch);

  PracticeRound out;
  PracticeFigures& f = out.figures;
  out.steps.resize(static_cast<size_t>(options_.updates));
  const auto group = static_cast<size_t>(options_.group);
  const auto each = static_cast<size_t>(options_.problems / options_.updates);
  for (size_t p = 0; p < problems.size(); ++p) {
    std::vector<double> rewards;
    for (size_t k = 0; k < group; ++k)
      rewards.push_back(add_answer(setting_, problems[p], answers[p * group + k], f));
    const std::vector<double> advantages = group_advantages(rewards);
    ++f.groups;
    f.contrast += advantages[0] != 0;
    if (advantages[0] == 0 && options_.policy.kl == 0) continue;  // no gradient
    for (size_t k = 0; k < group; ++k) {
      const Rollout& answer = answers[p * group + k];
      RowDocument& d = out.steps[p / each].emplace_back(document_of(problems[p].prompt, answer));
      d.credit = {advantages[k], answer.logprobs, {}};
    }
  }
  finish(f);
  if (reference != nullptr) add_reference(model_of(*reference), options_.policy, out.steps);
  return out;
}

}  // namespace fathom

#pragma once
/// What post-training asks for: answers of the model in training, and what they are worth. The trainer knows
/// this alone; post/task_practice makes the answers.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "train/learner.h"

namespace fathom {

/// Of the answers of one round.
struct PracticeFigures {
  int64_t answers = 0, right = 0, ended = 0;
  int64_t tokens = 0;    ///< of the answers
  double reward = 0;     ///< mean
  double entropy = 0;    ///< mean of -ln p over the answers' tokens: an estimate of the policy's entropy
  int64_t groups = 0;    ///< problems
  int64_t contrast = 0;  ///< problems whose answers were not all worth the same
};

struct PracticeRound {
  /// What each of the round's steps learns from. Answers that no gradient comes from are left out.
  std::vector<Row> steps;
  PracticeFigures figures;
};

class Practice {
 public:
  Practice() = default;
  virtual ~Practice() = default;
  Practice(const Practice&) = delete;
  Practice& operator=(const Practice&) = delete;

  /// Round number `round` of a stage: a function of the learner's weights, `seed` and `round`.
  /// @param reference  what the KL is to; null: none
  virtual PracticeRound practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) = 0;
};

using PracticeFactory = std::function<std::unique_ptr<Practice>(const RecipeStage&)>;

/// Advantages of a group's rewards: (reward - mean) / deviation; all 0 where the rewards are equal.
std::vector<double> group_advantages(const std::vector<double>& rewards);

}  // namespace fathom

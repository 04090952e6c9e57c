#pragma once
/// Answers of a model in training to problems that can be verified, as groups that a policy gradient learns
/// from (GRPO). Rollouts run on the trainer's own weights in its own arithmetic. Source: architecture.md
/// section 13.

#include "post/asked_problem.h"

namespace fathom {

/// Of problem number i of a round, all answers come from the same prompt; an answer is worth 1 if it ends by
/// itself and is right, else 0. Problems whose prompt with max_tokens is longer than a row are passed over.
class TaskPractice : public Practice {
 public:
  /// The setting's references must outlive this.
  TaskPractice(const PracticeSetting& setting, const GrpoOptions& options)
      : setting_(setting), options_(options) {}
  /// Throws Error(bad_input) naming the row if hardly any problem fits it. The learners must be
  /// ModelLearners.
  PracticeRound practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) override;

 private:
  PracticeSetting setting_;
  GrpoOptions options_;
};

}  // namespace fathom

#pragma once
/// Answers of a model in training to problems that can be verified, as groups that a policy gradient learns
/// from (GRPO). Rollouts run on the trainer's own weights in its own arithmetic. Source: architecture.md
/// section 13.

#include "engine/chat_setup.h"
#include "train/grpo_options.h"
#include "train/practice.h"

namespace fathom {

/// Of problem number i of a round, all answers come from the same prompt; an answer is worth 1 if it ends by
/// itself and is right, else 0. Problems whose prompt with max_tokens is longer than a row are passed over.
class TaskPractice : public Practice {
 public:
  /// All references must outlive this.
  TaskPractice(const Tokenizer& tokenizer, const ChatSetup& setup, const GrpoOptions& options, int64_t row);
  /// Throws Error(bad_input) naming the row if hardly any problem fits it. The learners must be
  /// ModelLearners.
  PracticeRound practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) override;

 private:
  struct Asked;
  Asked draw(uint64_t seed, uint64_t index) const;

  const Tokenizer& tokenizer_;
  const ChatSetup& setup_;
  GrpoOptions options_;
  TaskMix mix_;
  int64_t row_;
};

}  // namespace fathom

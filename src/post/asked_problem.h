#pragma once
/// Problems that a model in training is asked, and its answers as documents; shared by the practices.

#include "engine/chat_setup.h"
#include "post/rollout.h"
#include "train/model_learner.h"
#include "train/practice.h"
#include "train/practice_options.h"

namespace fathom {

struct AskedProblem {
  MadeProblem made;
  std::vector<int32_t> prompt;
};

/// How the model is spoken to, and how long a prompt with its answer may be.
struct PracticeSetting {
  const Tokenizer& tokenizer;
  const ChatSetup& setup;
  int64_t row;
};

/// Problem number `index` of a stream that fits a row with its answer. Throws Error(bad_input) naming the row
/// if hardly any does.
AskedProblem ask_problem(const PracticeSetting& setting, const PracticeProblems& problems, uint64_t seed,
                         uint64_t index);

/// Answer number k to it.
RolloutRequest request_for(const AskedProblem& asked, const PracticeProblems& problems, uint64_t seed,
                           uint64_t index, int64_t k);

/// The rollouts of the model in training, with log-probabilities.
std::vector<Rollout> answers_of(ModelLearner& learner, const PracticeSetting& setting,
                                std::span<const RolloutRequest> requests, double temperature, int64_t batch);

/// A prompt and its answer; the last token is a label alone.
RowDocument document_of(const std::vector<int32_t>& prompt, const Rollout& answer);

/// Adds an answer's figures as sums; its reward: 1 if it ended by itself and is right, else 0.
double add_answer(const PracticeSetting& setting, const AskedProblem& asked, const Rollout& answer,
                  PracticeFigures& figures);
/// Sums to means.
void finish(PracticeFigures& figures);

/// Throws Error(unsupported) for the learner of no model.
ModelLearner& model_of(Learner& learner);

}  // namespace fathom

#pragma once
/// How well a model solves generated problems: exact match for each family and mode, with the tokens spent.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/chat_setup.h"
#include "post/rollout.h"
#include "train/tasks/task.h"

namespace fathom {

struct TaskEvaluationOptions {
  std::vector<TaskShare> tasks;  ///< families with sizes; empty: all. Weights are not read
  std::vector<Think> modes = {Think::off, Think::high};
  int64_t count = 100;  ///< problems of each family, the same in all modes
  int min_level = 1, max_level = Difficulty::kLevels;
  bool held_out = true;
  uint64_t seed = 1;
  int64_t max_tokens = 1024;  ///< of an answer; a longer one counts as wrong
  int64_t batch = 64;
  Progress progress;  ///< answers written
};

struct TaskScore {
  std::string family;
  int64_t size = 0;
  Think think = Think::off;
  int64_t problems = 0, right = 0;
  int64_t ended = 0;                             ///< answers that came to an end by themselves
  int64_t prompt_tokens = 0, answer_tokens = 0;  ///< summed; an answer's with its reasoning
  /// Drafts of the MTP block within the answers, and those that were the model's own next choice.
  int64_t drafts = 0, drafts_accepted = 0;

  std::string label() const;  ///< "mul", "mul:3"
  double accuracy() const;
  double mean_prompt() const;
  double mean_answer() const;
};

/// A problem with what the model made of it.
struct TaskAnswer {
  const Problem* problem;
  Think think;
  std::string text;  ///< with its reasoning
  bool right, ended;
};

struct TaskEvaluation {
  std::vector<TaskScore> scores;  ///< by family, then mode
  bool stopped = false;           ///< progress asked to stop: the scores are not to be used
};

/// @param answer  called for every answer, or nothing
TaskEvaluation evaluate_tasks(const Model& model, Runtime<float>& runtime, const Tokenizer& tokenizer,
                              const ChatSetup& setup, const TaskEvaluationOptions& options,
                              const std::function<void(const TaskAnswer&)>& answer = {});

/// Whether an answer came to its end and is right. `text` gets it, with its reasoning.
bool is_right_answer(const Tokenizer& tokenizer, const Problem& problem, Think think, const Rollout& rollout,
                     std::string& text);

/// The prompt of a problem in a mode, ending in an open assistant turn.
std::vector<int32_t> problem_prompt(const Tokenizer& tokenizer, const Problem& problem, Think think,
                                    Generation generation);

/// Drafts for tokens ids[from ..] of one sequence: how often the MTP block's choice for a token two ahead is
/// the main model's own choice there.
struct DraftCount {
  int64_t drafts = 0, accepted = 0;
};
DraftCount count_drafts(const Model& model, Runtime<float>& runtime, std::span<const int32_t> ids,
                        int64_t from);

struct NeedleOptions {
  std::vector<int64_t> lengths = {256, 512, 1024, 2048};  ///< tokens of the prompt, about
  int64_t depths = 9;                                     ///< from the first to the last sentence
  int64_t count = 20;                                     ///< questions of a cell
  Think think = Think::off;
  uint64_t seed = 1;
  int64_t batch = 16;
  Progress progress;
};
struct NeedleMap {
  std::vector<int64_t> lengths;
  std::vector<double> depths;                 ///< in [0, 1]
  std::vector<std::vector<double>> recalled;  ///< [depth][length], shares
  std::vector<double> mean_tokens;            ///< of each length's prompts
  int64_t count = 0;
  bool stopped = false;
};
/// Throws Error(bad_input) for a length that the model does not read.
NeedleMap needle_map(const Model& model, Runtime<float>& runtime, const Tokenizer& tokenizer,
                     const ChatSetup& setup, const NeedleOptions& options);

}  // namespace fathom

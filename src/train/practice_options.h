#pragma once
/// What a stage that learns from its own answers asks for: kinds "grpo" and "distill". Source:
/// architecture.md section 13.

#include <cstdint>
#include <string>
#include <vector>

#include "train/policy.h"
#include "train/tasks/task.h"

namespace fathom {

/// Problems of the generator that answers are written to.
struct PracticeProblems {
  std::string tasks;  ///< families as parse_task_list() reads them; empty: all
  int64_t min_level = 1, max_level = Difficulty::kLevels;
  double off = 0, high = 1, max = 0;  ///< shares of the modes
  int64_t problems = 16;              ///< of a round
  int64_t max_tokens = 256;           ///< of an answer; a longer one is wrong

  /// The problems, training part. Throws Error(bad_input) for families, levels or modes that there are not.
  TaskMix mix() const;
};

struct GrpoOptions : PracticeProblems {
  int64_t group = 8;    ///< answers to each problem
  int64_t updates = 1;  ///< steps that share a round's problems
  int64_t batch = 64;   ///< answers that are written at once
  PolicyOptions policy;
};

/// A specialist, and the problems on which the student learns from it.
struct DistillTeacher : PracticeProblems {
  std::string from;  ///< its checkpoint
};

struct DistillOptions {
  std::vector<DistillTeacher> teachers;
  int64_t batch = 64;      ///< answers that are written at once
  double temperature = 1;  ///< of the sampling
};

}  // namespace fathom

#pragma once
/// What a stage of kind "grpo" asks for. Source: architecture.md section 13.

#include <cstdint>
#include <string>

#include "train/policy.h"
#include "train/tasks/task.h"

namespace fathom {

struct GrpoOptions {
  std::string tasks;  ///< families as parse_task_list() reads them; empty: all
  int64_t min_level = 1, max_level = Difficulty::kLevels;
  double off = 0, high = 1, max = 0;  ///< shares of the modes
  int64_t problems = 16;              ///< of a round
  int64_t group = 8;                  ///< answers to each
  int64_t updates = 1;                ///< steps that share a round's problems
  int64_t max_tokens = 256;           ///< of an answer; a longer one is wrong
  int64_t batch = 64;                 ///< answers that are written at once
  PolicyOptions policy;

  /// The problems, training part. Throws Error(bad_input) for families, levels or modes that there are not.
  TaskMix mix() const;
};

}  // namespace fathom

#include "train/practice_options.h"

#include "base/error.h"

namespace fathom {

TaskMix PracticeProblems::mix() const {
  TaskMix mix;
  mix.families = in_context("tasks", [&] { return parse_task_list(tasks); });
  mix.min_level = static_cast<int>(min_level);
  mix.max_level = static_cast<int>(max_level);
  mix.off = off;
  mix.high = high;
  mix.max = max;
  mix.check();
  return mix;
}

}  // namespace fathom

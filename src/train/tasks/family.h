#pragma once
/// The families of problems, one file of src/train/tasks/ for each kind.

#include <span>

#include "train/tasks/draw.h"
#include "train/tasks/task.h"

namespace fathom {

struct TaskFamily {
  const char* name;
  const char* what;  ///< for --help
  const char* size;  ///< what Difficulty::size counts
  int64_t max_size;
  double weight;  ///< usual share, relative
  void (*make)(Draw& draw, const Difficulty& difficulty, Problem& problem);
};

std::span<const TaskFamily> task_families();
/// nullptr if there is none of that name.
const TaskFamily* find_family(std::string_view name);

/// The value for a level of 1 to 5.
template <class T>
T by_level(const Difficulty& d, const T (&values)[Difficulty::kLevels]) {
  return values[d.level - 1];
}

/// Puts trace and check together; with the share `slips` a first try that went wrong comes before.
/// @param check       of the right result
/// @param wrong       trace of a wrong try, empty: none
/// @param wrong_check its check, which must show the mistake
std::string with_check(const std::string& trace, const std::string& check, const std::string& wrong = {},
                       const std::string& wrong_check = {});

/// "a, b, c".
std::string comma_list(std::span<const std::string> items);
std::string comma_list(std::span<const int64_t> items);

#define FATHOM_TASK(name, what, size, max_size, weight) \
  void make_##name(Draw& draw, const Difficulty& difficulty, Problem& problem);
#include "train/tasks/family_list.h"
#undef FATHOM_TASK

}  // namespace fathom

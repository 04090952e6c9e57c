#pragma once
/// What `fathom plan --train` shows.

#include <string>
#include <vector>

#include "engine/training_cost.h"

namespace fathom {

struct TrainingMemoryPart {
  std::string name;
  double bytes = 0;
  bool shared = true;  ///< divided among machines; else each has it whole
};

struct TrainingPlan {
  std::string name;
  CostModel model;
  std::vector<TrainingPhase> phases;
  std::vector<TrainingMemoryPart> memory;  ///< empty: not known
  TrainingMachines machines;
  bool measured = false;  ///< the machine's speed was measured here, not given
  double reached = 1;     ///< of the machine's speed, that a run is expected to reach
  /// Machine hours that somebody published for these tokens, and who; 0: none.
  double published_hours = 0;
  std::string published;
  std::vector<std::string> notes;

  double seconds() const;  ///< at full speed, all phases
};

std::string training_plan_table(const TrainingPlan& plan);
/// Numbers are not rounded; ends in a newline.
std::string training_plan_json(const TrainingPlan& plan);

}  // namespace fathom

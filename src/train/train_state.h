#pragma once
/// A run's state as JSON; internal to train/run_folder.

#include <string>
#include <string_view>

#include "train/run_folder.h"

namespace fathom {

std::string to_json(const TrainState& state);
/// Throws Error(bad_input) naming the field.
TrainState train_state_from_json(std::string_view text, const std::string& where);

}  // namespace fathom

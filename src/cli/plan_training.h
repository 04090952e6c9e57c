#pragma once
/// fathom plan --train: a recipe or a model with tokens as what engine/training_report.h shows.

#include <string>
#include <vector>

namespace fathom::cli {

/// What the flags say, as text; empty = not given.
struct TrainingPlanArguments {
  std::string tokens, row, batch, bandwidth, peak, peak_fp32, network;
  std::vector<std::string> set;
  double machines = 1, reached = 0, price_per_hour = 0;
};
/// The speed of this machine, as --measure found it; 0 = not measured.
struct MeasuredSpeed {
  double bandwidth = 0, peak = 0, peak_fp32 = 0;
};

/// `what`: a recipe's file, a preset, "v3", or a model that is trained on. Throws CLI::ValidationError,
/// Error.
std::string training_plan(const std::string& what, const TrainingPlanArguments& arguments,
                          const MeasuredSpeed& measured, bool json);

}  // namespace fathom::cli

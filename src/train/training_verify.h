#pragma once
/// Holds training to golden vectors in the layout of tests/golden/fp32: Muon's pairs and whole training
/// steps.

#include <filesystem>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace fathom {

/// One quantity: its worst error beside the bound that the README allows.
struct TrainingCheck {
  std::string quantity;
  double error = 0, bound = 0;
  std::string detail;
};
struct TrainingChecks {
  std::vector<TrainingCheck> items;
  std::vector<std::string> used;  ///< files, relative to the folder
};

/// training_steps.split.json, .whole.json with training_batches.safetensors, as far as the model folder has
/// them: losses, gradient norms, what is skipped, expert loads, every parameter's norm and sum after each
/// step. Throws Error(bad_input) naming file and field.
TrainingChecks verify_training_steps(const std::filesystem::path& folder, ThreadPool& pool,
                                     const Kernels<float>& kernels);

/// muon.safetensors of the folder, if it is there: in.X -> out.X.
TrainingChecks verify_muon(const std::filesystem::path& folder, const Kernels<float>& kernels);

}  // namespace fathom

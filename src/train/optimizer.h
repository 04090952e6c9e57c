#pragma once
/// One step of all parameters: Muon and AdamW side by side. Source: architecture.md section 13.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "train/param_table.h"

namespace fathom {

struct OptimizerOptions {
  double momentum = 0.95;  ///< Muon
  double muon_rms = 0.18;  ///< root mean square of an update's elements, times the learning rate
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-20;  ///< AdamW
  double decay = 0.1;                             ///< decoupled, times the learning rate, on everything
};

/// Learning rates of one step.
struct StepRates {
  double muon = 0;    ///< matrices
  double adamw = 0;   ///< embedding, head
  double vector = 0;  ///< norms, sinks, mHC base and scale, ape
};

/// What the gradients of a step were.
struct GradientReport {
  double norm = 0;                   ///< of all of them
  std::vector<double> tensor_norms;  ///< [params]
  std::vector<std::string> skipped;  ///< without any gradient, left as they are: "name", "name[first:last]"
  int64_t skipped_experts = 0;       ///< routed experts among them whose three matrices had none
  bool finite = true;
};

class Optimizer {
 public:
  Optimizer(const ParamTable& table, const OptimizerOptions& options);

  const OptimizerOptions& options() const { return options_; }

  /// Looks at the gradients [table.size()]; parameters that `trained` refuses do not count. Sums run in
  /// constant blocks: the same bits for any number of threads.
  GradientReport measure(ThreadPool& pool, const float* gradients,
                         const std::function<bool(const TrainedParam&)>& trained);

  /// Moves the masters by the gradients last measured. A tensor or part without gradient is left alone: no
  /// decay, no moments, no step count. The same bits for any number of threads.
  void step(ThreadPool& pool, const Kernels<float>& kernels, const float* gradients, const StepRates& rates,
            float* masters);

  /// The state, for checkpoints: momentum or first moment [table.size()], second moment [table.size()] and
  /// how often each parameter was stepped.
  std::vector<float>& first_moments() { return first_; }
  std::vector<float>& second_moments() { return second_; }
  std::vector<int64_t>& step_counts() { return counts_; }
  const std::vector<float>& first_moments() const { return first_; }
  const std::vector<float>& second_moments() const { return second_; }
  const std::vector<int64_t>& step_counts() const { return counts_; }

 private:
  const ParamTable& table_;
  OptimizerOptions options_;
  std::vector<float> first_, second_;
  std::vector<int64_t> counts_;
  std::vector<std::vector<bool>> live_;  // [param][part]: has gradient
};

/// Layer 0's attention mHC sees n equal copies of one stream: its pre and comb have no gradient in exact
/// arithmetic, and both optimizers would turn the rounding noise there into full steps. Sets it to 0.
void hold_equal_streams(const ParamTable& table, float* gradients);

}  // namespace fathom

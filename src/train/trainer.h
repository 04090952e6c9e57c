#pragma once
/// The training loop: stages of a recipe, step by step, with log, checkpoints and the spike guard.
/// Source: architecture.md section 13.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/balance.h"
#include "train/learner.h"
#include "train/practice.h"
#include "train/run_folder.h"

namespace fathom {

/// What a run reads.
struct RunData {
  std::string name;
  std::shared_ptr<const TokenShard> train, validation;  ///< validation may be null
  std::shared_ptr<const DocumentMaker> maker = {};      ///< instead of train
};

/// Faults to show that the run survives them. `step` counts the steps that were begun in this process.
struct InjectedFault {
  enum class Kind { nan, spike, kill } kind = Kind::nan;
  int64_t step = 0, count = 1;
};
/// "nan@40", "spike@50x3" (three steps), "kill@70", comma between them. Throws Error(bad_input).
std::vector<InjectedFault> parse_faults(const std::string& text);

/// One step as the log has it and the terminal shows it.
struct StepRecord {
  int64_t step = 0, steps = 0;  ///< done with this one; of the run
  std::string stage;
  PassFigures figures;
  double rate = 0, adamw_rate = 0, norm = 0, seconds = 0, mtp_weight = 0;
  int64_t tokens = 0;  ///< of the run so far
  double packed = 0;   ///< share of the rows that tokens fill
  SpikeGuard::Verdict verdict;
  int64_t skipped = 0,
          skipped_experts = 0;       ///< tensors (or parts) without gradient, whole experts among them
  std::vector<LoadStatistics> load;  ///< per learned layer
  StageKind kind = StageKind::data;  ///< grpo: lm is the policy's loss; distill: the KL to the teachers
  std::optional<PracticeFigures> practice;  ///< of the round that began with this step
};

struct TrainerOptions {
  LearnerFactory learner;
  PracticeFactory practice;  ///< of grpo stages; may be empty without such
  ThreadPool* pool = nullptr;
  const Kernels<float>* kernels = nullptr;
  std::vector<InjectedFault> faults;
  std::function<void(const StepRecord&)> on_step;      ///< may be empty
  std::function<void(const std::string&)> on_message;  ///< events for the user; may be empty
  std::function<bool()> stop;                          ///< true: checkpoint and return; may be empty
};

class Trainer {
 public:
  /// `masters` are the weights a new run starts with; a run with a checkpoint goes on from it.
  Trainer(const Recipe& recipe, const ParamTable& table, MasterWeights masters, std::vector<RunData> data,
          RunFolder& folder, TrainerOptions options);

  /// Runs to the end of the recipe, or until asked to stop. Returns whether it reached the end. Throws
  /// Error(bad_input) if spikes persist after the recipe's rollbacks; the last good checkpoint stands.
  bool run();

  const MasterWeights& masters() const { return masters_; }
  const TrainState& state() const { return state_; }

 private:
  struct Step;
  void enter_stage();
  void leave_stage();
  void one_step();
  void draw(Step& step);
  void take(const Step& step);
  void roll_back(const SpikeGuard::Verdict& verdict);
  void inject(Step& step);
  void validate();
  void checkpoint();
  void log_step(const StepRecord& record);
  void log_event(const std::string& event, const std::string& detail);
  bool trained(const TrainedParam& p) const;
  PassOptions pass_options() const;
  void anticipate();

  const Recipe& recipe_;
  const ParamTable& table_;
  MasterWeights masters_;
  std::vector<RunData> data_;
  RunFolder& folder_;
  TrainerOptions options_;
  Optimizer optimizer_;
  SpikeGuard guard_;
  TrainState state_;
  std::vector<float> gradients_;
  std::unique_ptr<MasterWeights> older_;  ///< of the last rollback, while they choose the routes
  std::unique_ptr<Dataset> dataset_;      ///< of a data stage
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Practice> practice_;      ///< of a grpo stage
  std::unique_ptr<MasterWeights> initial_;  ///< what the run began with, where a KL asks for it
  std::unique_ptr<Learner> reference_;      ///< over initial_
  int64_t begun_ = 0;                       ///< steps of this process
};

}  // namespace fathom

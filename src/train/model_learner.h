#pragma once
/// The learner of a real model: compute copies of the masters, forward and backward of model/training.

#include <memory>

#include "model/model.h"
#include "train/learner.h"

namespace fathom {

class ModelLearner : public Learner {
 public:
  /// Computes in the stage's precision. All references must outlive this; `base` is what adapters are added
  /// to, and null for a table of the model itself.
  ModelLearner(const ParamTable& table, const MasterWeights& masters, Precision precision, ThreadPool& pool,
               const Kernels<float>& kernels, std::shared_ptr<const Checkpoint> base = nullptr);
  ~ModelLearner() override;
  /// Bytes of scratch memory at the passes' most loaded moment so far.
  int64_t scratch_peak() const { return arena_.peak(); }

  void refresh() override;
  PassFigures learn(const Row& documents, const PassOptions& options, float* gradients) override;
  void anticipate(const MasterWeights* older) override;
  PassFigures evaluate(const Row& documents, const PassOptions& options) override;
  /// The model with the weights of the last refresh(), and what it is computed with: for its own answers.
  const Model& model() const { return *model_; }
  const Context<float>& context() const { return context_; }
  /// [documents][T] log-probabilities of the labels, 0 where there is none.
  std::vector<std::vector<double>> log_probs(const Row& documents, const PassOptions& options);
  /// What a teacher makes of these documents, computed as this model is; their opinions are set.
  void ask(const std::shared_ptr<const Model>& teacher, Row& documents, const PassOptions& options);
  /// Bytes of scratch memory held.
  int64_t scratch_bytes() const { return arena_.bytes(); }
  /// Adds the times of learn()'s parts to *times from now on; null: no longer.
  void time_parts(StepTimes* times) { context_.times = times; }

 private:
  const ParamTable& table_;
  const MasterWeights& masters_;
  std::shared_ptr<const Checkpoint> base_;
  Precision precision_;
  ComputeWeights weights_;
  std::unique_ptr<ComputeWeights> older_;  // null: nothing to anticipate
  std::shared_ptr<const Model> model_, older_model_;
  ThreadPool& pool_;
  Arena arena_;
  Numerics numerics_;
  Context<float> context_;
};

}  // namespace fathom

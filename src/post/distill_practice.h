#pragma once
/// Several specialists made into one model: the student answers the problems of each teacher's field, and
/// learns that teacher's whole distribution at every token of its own answers (on-policy distillation).
/// Source: architecture.md section 13.

#include "post/asked_problem.h"

namespace fathom {

class DistillPractice : public Practice {
 public:
  /// Opens the teachers, which must have the student's tokens. The setting's references must outlive this.
  DistillPractice(const PracticeSetting& setting, const DistillOptions& options);
  /// One step. The learner must be a ModelLearner; `reference` is not read.
  PracticeRound practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) override;

 private:
  PracticeSetting setting_;
  DistillOptions options_;
  std::vector<std::shared_ptr<const Model>> teachers_;
};

}  // namespace fathom

#pragma once
/// The loss of a policy gradient: what the log-probability of a sampled token is worth. Source:
/// architecture.md section 13 (GRPO); the clipped surrogate is PPO's, the KL estimate that of DeepSeekMath
/// (equation 4).

#include <vector>

#include "model/training/loss.h"
#include "train/dataset.h"

namespace fathom {

struct PolicyOptions {
  double clip_low = 0.2, clip_high = 0.2;  ///< the ratio of probabilities stays in [1 - low, 1 + high]
  double kl = 0;                           ///< weight of the KL to the reference
  double temperature = 1;                  ///< of the sampled distribution
  bool operator==(const PolicyOptions&) const = default;
};

/// With r = exp(log_prob - sampled): the value is -min(r A, clamp(r) A) + kl (exp(d) - d - 1), where
/// d = reference - log_prob.
struct PolicyTerm {
  double value = 0, slope = 0;  ///< slope: by log_prob
  double kl = 0;                ///< the estimate alone
  bool clipped = false;         ///< the ratio has no gradient
};
/// @param sampled    log-probability when the token was sampled
/// @param reference  log-probability by the reference; not read if options.kl is 0
PolicyTerm policy_term(const PolicyOptions& options, double advantage, double log_prob, double sampled,
                       double reference);

/// Means over the labels of a step.
struct PolicyFigures {
  double clipped = 0;  ///< share of tokens whose ratio was clipped
  double kl = 0;       ///< to the reference; 0 without one
  double drift = 0;    ///< mean of |log_prob - sampled|: 0 in the first step after the answers were sampled
};

/// The policy's loss of documents with a credit. They must outlive this.
class PolicyObjective : public LabelObjective {
 public:
  /// Throws Error(bad_input) naming a document whose credit does not have as many values as it has labels.
  PolicyObjective(const Row& documents, const PolicyOptions& options);
  Term term(size_t document, int64_t position, double log_prob) const override;
  /// @param log_probs  [documents][T], as LossExtras::log_probs
  PolicyFigures figures(const std::vector<std::vector<double>>& log_probs) const;

 private:
  PolicyTerm full_term(size_t document, int64_t position, double log_prob) const;

  const Row& documents_;
  PolicyOptions options_;
  std::vector<std::vector<size_t>> index_;  // [documents][T]: which of the document's labels
};

}  // namespace fathom

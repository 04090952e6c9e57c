#include "train/policy.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace fathom {

PolicyTerm policy_term(const PolicyOptions& options, double advantage, double log_prob, double sampled,
                       double reference) {
  PolicyTerm term;
  const double ratio = std::exp(log_prob - sampled);
  const double bounded = std::clamp(ratio, 1 - options.clip_low, 1 + options.clip_high);
  term.clipped = bounded * advantage < ratio * advantage;
  term.value = -(term.clipped ? bounded : ratio) * advantage;
  term.slope = term.clipped ? 0 : -ratio * advantage;
  if (options.kl > 0) {
    const double d = reference - log_prob, e = std::exp(d);
    term.kl = e - d - 1;
    term.value += options.kl * term.kl;
    term.slope += options.kl * (1 - e);
  }
  return term;
}

PolicyObjective::PolicyObjective(const Row& documents, const PolicyOptions& options)
    : documents_(documents), options_(options) {
  for (const RowDocument& d : documents) {
    size_t labels = 0;
    auto& index = index_.emplace_back();
    for (const int32_t label : d.labels) index.push_back(label == kUnlearned ? labels : labels++);
    const size_t reference = options.kl > 0 ? labels : d.credit.reference.size();
    if (d.credit.sampled.size() != labels || d.credit.reference.size() != reference) {
      bad_input("document {}: credit: expected log-probabilities of {} labels, found {} and {}",
                index_.size() - 1, labels, d.credit.sampled.size(), d.credit.reference.size());
    }
  }
}

PolicyTerm PolicyObjective::full_term(size_t document, int64_t position, double log_prob) const {
  const Credit& credit = documents_[document].credit;
  const size_t i = index_[document][static_cast<size_t>(position)];
  return policy_term(options_, credit.advantage, log_prob, credit.sampled[i],
                     options_.kl > 0 ? credit.reference[i] : 0);
}

LabelObjective::Term PolicyObjective::term(size_t document, int64_t position, double log_prob) const {
  const PolicyTerm t = full_term(document, position, log_prob);
  return {t.value, t.slope};
}

PolicyFigures PolicyObjective::figures(const std::vector<std::vector<double>>& log_probs) const {
  PolicyFigures f;
  double count = 0;
  for (size_t d = 0; d < documents_.size(); ++d) {
    for (size_t t = 0; t < documents_[d].labels.size(); ++t) {
      if (documents_[d].labels[t] == kUnlearned) continue;
      const double log_prob = log_probs[d][t];
      const PolicyTerm term = full_term(d, static_cast<int64_t>(t), log_prob);
      ++count;
      f.clipped += term.clipped;
      f.kl += term.kl;
      f.drift += std::abs(log_prob - documents_[d].credit.sampled[index_[d][t]]);
    }
  }
  if (count == 0) return f;
  f.clipped /= count;
  f.kl /= count;
  f.drift /= count;
  return f;
}

}  // namespace fathom

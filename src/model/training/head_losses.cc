// The part of LossPass that is about labelled rows: cross-entropy and objectives.
#include <algorithm>

#include "model/head.h"
#include "model/training/loss_pass.h"

namespace fathom {

template <class Real>
double LossPass<Real>::loss(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad,
                            const LabelRows& labels, double factor, int64_t count, Mat<const Real> streams,
                            Mat<Real> d_streams, bool main) {
  const ArenaScope scope(ctx_.arena());
  const StepTimer timer(ctx_.times ? &ctx_.times->head : nullptr);
  const Mat<Real> picked = gather(streams, labels.rows);
  std::vector<double> losses(labels.rows.size());
  std::vector<Real> factors;
  for (const float weight : labels.weights) {
    factors.push_back(static_cast<Real>(factor * static_cast<double>(weight) / static_cast<double>(count)));
  }
  HeadLabels<Real> head_labels{labels.labels.data(), factors.data()};
  const LabelObjective* const objective = main ? extras_.objective : nullptr;
  const auto term = [&](size_t i, double log_prob) {
    return objective->term(labels.documents[i], labels.positions[i], log_prob);
  };
  if (main) head_labels.inverse_temperature = static_cast<Real>(1 / options_.temperature);
  if (objective) {
    head_labels.slope = [&](int64_t row, double log_prob) {
      return term(static_cast<size_t>(row), log_prob).slope;
    };
  }
  if (grad) {
    const HeadGradients<Real> gradients{ctx_.scratch(picked.rows, picked.cols), *grad, grads_->lm_head};
    head_loss<Real>(ctx_, config_, head, w_.lm_head, picked, head_labels, losses.data(), &gradients);
    std::fill_n(d_streams.data, d_streams.rows * d_streams.cols, Real(0));
    for (size_t i = 0; i < labels.rows.size(); ++i) {
      std::copy_n(gradients.d_streams.row(static_cast<int64_t>(i)), picked.cols,
                  d_streams.row(labels.rows[i]));
    }
  } else {
    head_loss<Real>(ctx_, config_, head, w_.lm_head, picked, head_labels, losses.data(), nullptr);
  }
  double sum = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    sum += static_cast<double>(labels.weights[i]) * (objective ? term(i, -losses[i]).value : losses[i]);
    if (main && extras_.log_probs) {
      (*extras_.log_probs)[labels.documents[i]][static_cast<size_t>(labels.positions[i])] = -losses[i];
    }
  }
  return sum;
}

#define FATHOM_HEAD_LOSSES(Real)                                                                    \
  template double LossPass<Real>::loss(const HeadParams<WeightView>&, const HeadParams<Mat<Real>>*, \
                                       const LabelRows&, double, int64_t, Mat<const Real>, Mat<Real>, bool);
FATHOM_HEAD_LOSSES(float)
FATHOM_HEAD_LOSSES(double)
#undef FATHOM_HEAD_LOSSES

}  // namespace fathom

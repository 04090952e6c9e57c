// The part of LossPass that is about labelled rows: cross-entropy, objectives, teachers.
#include <algorithm>

#include "model/head_distill.h"
#include "model/training/loss_pass.h"

namespace fathom {

template <class Real>
double LossPass<Real>::loss(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad,
                            const LabelRows& labels, double factor, int64_t count, Mat<const Real> streams,
                            Mat<Real> d_streams, bool main) {
  const ArenaScope scope(ctx_.arena());
  const StepTimer timer(ctx_.times ? &ctx_.times->head : nullptr);
  const Mat<Real> picked = gather(streams, labels.rows);
  std::vector<Real> factors;
  for (const float weight : labels.weights) {
    factors.push_back(static_cast<Real>(factor * static_cast<double>(weight) / static_cast<double>(count)));
  }
  if (main && head_rows_) {
    keep_head_rows(head, labels, picked);
    return 0;
  }
  const Mat<Real> d_picked = grad ? ctx_.scratch(picked.rows, picked.cols) : Mat<Real>{};
  double sum = 0;
  if (main && extras_.teachers) {
    sum = distillation(head, grad, labels, picked, factors, d_picked);
  } else {
    sum = label_losses(head, grad, labels, picked, factors, d_picked, main);
  }
  if (grad) {
    std::fill_n(d_streams.data, d_streams.rows * d_streams.cols, Real(0));
    for (size_t i = 0; i < labels.rows.size(); ++i)
      std::copy_n(d_picked.row(static_cast<int64_t>(i)), picked.cols, d_streams.row(labels.rows[i]));
  }
  return sum;
}

template <class Real>
double LossPass<Real>::label_losses(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad,
                                    const LabelRows& labels, Mat<const Real> picked,
                                    const std::vector<Real>& factors, Mat<Real> d_picked, bool main) {
  std::vector<double> losses(labels.rows.size());
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
  HeadGradients<Real> gradients{d_picked, {}, {}};
  if (grad) gradients = {d_picked, *grad, grads_->lm_head};
  head_loss<Real>(ctx_, config_, head, w_.lm_head, picked, head_labels, losses.data(),
                  grad ? &gradients : nullptr);
  double sum = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    sum += static_cast<double>(labels.weights[i]) * (objective ? term(i, -losses[i]).value : losses[i]);
    if (main && extras_.log_probs) {
      (*extras_.log_probs)[labels.documents[i]][static_cast<size_t>(labels.positions[i])] = -losses[i];
    }
  }
  return sum;
}

template <class Real>
double LossPass<Real>::distillation(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad,
                                    const LabelRows& labels, Mat<const Real> picked,
                                    const std::vector<Real>& factors, Mat<Real> d_picked) {
  const ArenaScope scope(ctx_.arena());
  std::vector<const WeightView*> teachers;  // in the order they come
  for (const size_t d : labels.documents) {
    const WeightView* const teacher = (*extras_.teachers)[d].lm_head;
    if (std::ranges::find(teachers, teacher) == teachers.end()) teachers.push_back(teacher);
  }
  double sum = 0;
  for (const WeightView* teacher : teachers) {
    std::vector<int64_t> own;  // labels of this teacher
    std::vector<Real> own_factors;
    for (size_t i = 0; i < labels.rows.size(); ++i) {
      if ((*extras_.teachers)[labels.documents[i]].lm_head != teacher) continue;
      own.push_back(static_cast<int64_t>(i));
      own_factors.push_back(factors[i]);
    }
    const Mat<Real> rows = ctx_.scratch(std::ssize(own), teacher->cols);
    for (size_t k = 0; k < own.size(); ++k) {
      const auto i = static_cast<size_t>(own[k]);
      std::copy_n((*extras_.teachers)[labels.documents[i]].rows + labels.positions[i] * rows.cols, rows.cols,
                  rows.row(static_cast<int64_t>(k)));
    }
    std::vector<double> losses(own.size());
    HeadGradients<Real> gradients;
    if (grad) gradients = {ctx_.scratch(rows.rows, picked.cols), *grad, grads_->lm_head};
    head_distill<Real>(ctx_, config_, head, w_.lm_head, gather(picked, own), {rows, teacher},
                       own_factors.data(), losses.data(), grad ? &gradients : nullptr);
    for (size_t k = 0; k < own.size(); ++k) {
      sum += static_cast<double>(labels.weights[static_cast<size_t>(own[k])]) * losses[k];
      if (grad)
        std::copy_n(gradients.d_streams.row(static_cast<int64_t>(k)), picked.cols, d_picked.row(own[k]));
    }
  }
  return sum;
}

template <class Real>
void LossPass<Real>::record_head(std::vector<std::vector<Real>>* rows) {
  head_rows_ = rows;
  for (const TrainingDocument& d : batch_)
    rows->emplace_back(static_cast<size_t>(d.size() * config_.hidden_size));
}

template <class Real>
void LossPass<Real>::keep_head_rows(const HeadParams<WeightView>& head, const LabelRows& labels,
                                    Mat<const Real> picked) {
  const Mat<Real> rows = ctx_.scratch(picked.rows, config_.hidden_size);
  fathom::head_rows<Real>(ctx_, config_, head, picked, rows);
  for (size_t i = 0; i < labels.rows.size(); ++i) {
    std::copy_n(rows.row(static_cast<int64_t>(i)), rows.cols,
                (*head_rows_)[labels.documents[i]].data() + labels.positions[i] * rows.cols);
  }
}

#define FATHOM_HEAD_LOSSES(Real)                                                                             \
  template double LossPass<Real>::loss(const HeadParams<WeightView>&, const HeadParams<Mat<Real>>*,          \
                                       const LabelRows&, double, int64_t, Mat<const Real>, Mat<Real>, bool); \
  template void LossPass<Real>::record_head(std::vector<std::vector<Real>>*);
FATHOM_HEAD_LOSSES(float)
FATHOM_HEAD_LOSSES(double)
#undef FATHOM_HEAD_LOSSES

}  // namespace fathom

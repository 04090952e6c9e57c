#pragma once
/// The output head: streams collapsed to a row, normed, and the logits; and cross-entropy with its way back.
/// Source: architecture.md sections 2 and 13.

#include <functional>
#include <span>

#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// Logits [streams.rows, V], in the arena of ctx.
template <class Real>
Mat<Real> head_forward(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
                       const WeightView& lm_head, Mat<const Real> streams);

/// Labels of rows, and what their losses count.
template <class Real>
struct HeadLabels {
  const int32_t* labels;         ///< [rows], each below V
  const Real* factors;           ///< [rows] of each row's gradient; unused without gradients
  Real inverse_temperature = 1;  ///< what logits are multiplied by before their softmax
  /// The derivative of row t's loss by the log-probability of its label; empty: -1, cross-entropy.
  std::function<double(int64_t row, double log_prob)> slope = {};
};

/// Gradients that head_loss() adds to.
template <class Real>
struct HeadGradients {
  Mat<Real> d_streams;  ///< [rows, n*D], set
  HeadParams<Mat<Real>> head;
  Mat<Real> lm_head;
};

/// How head_loss() cuts its work.
struct HeadBlocks {
  int64_t vocabulary = 2048;        ///< columns of logits at a time
  int64_t kept = int64_t{1} << 24;  ///< most logits of a chunk of 1,024 rows that are kept for the way
                                    ///< back; more are computed twice, to the same bits
};

/// losses[t] = -log softmax(logits[t])[label[t]], in blocks of the vocabulary: the logits are kept only while
/// they are few. With `grad`, the gradient of sum_t factor[t] losses[t] too, or of the losses whose slopes
/// `labels` has.
template <class Real>
void head_loss(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
               const WeightView& lm_head, Mat<const Real> streams, const HeadLabels<Real>& labels,
               double* losses, const HeadGradients<Real>* grad, const HeadBlocks& blocks = {});

/// log softmax(logits * inverse_temperature)[label] of one row of all logits, with the bits that head_loss()
/// finds for it.
template <class Real>
double label_log_prob(const Context<Real>& ctx, std::span<const Real> logits, int32_t label,
                      Real inverse_temperature = 1);

}  // namespace fathom

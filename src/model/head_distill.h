#pragma once
/// Distillation at the head: the reverse KL to a teacher over the whole vocabulary, in blocks of it. Of the
/// teacher only the rows before its last product are kept; its logits are made again. Source: architecture.md
/// section 13 (on-policy distillation).

#include "model/head.h"

namespace fathom {

template <class Real>
struct HeadTeacher {
  Mat<const Real> rows;       ///< [rows, D of the teacher], as head_rows() gives them
  const WeightView* lm_head;  ///< [V, D of the teacher]
};

/// The rows [streams.rows, D] that head_forward() multiplies with lm_head, into `rows`.
template <class Real>
void head_rows(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
               Mat<const Real> streams, Mat<Real> rows);

/// losses[t] = KL(softmax(own logits) || softmax(teacher's logits)) of row t. With `grad`, the gradient of
/// sum_t factors[t] losses[t] for the own model; the teacher is fixed.
template <class Real>
void head_distill(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
                  const WeightView& lm_head, Mat<const Real> streams, const HeadTeacher<Real>& teacher,
                  const Real* factors, double* losses, const HeadGradients<Real>* grad,
                  const HeadBlocks& blocks = {});

}  // namespace fathom

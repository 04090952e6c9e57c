#include "model/head_distill.h"

#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "model/head_pass.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// Logits of a chunk of rows in blocks of the vocabulary, and their softmax.
template <class Real>
class Logits {
 public:
  Logits(const Context<Real>& ctx, const WeightView& w, Mat<const Real> x, const HeadBlocks& blocks)
      : ctx_(ctx),
        w_(w),
        x_(x),
        block_(blocks.vocabulary),
        keep_(x.rows * w.rows <= blocks.kept),
        max_(static_cast<size_t>(x.rows), -std::numeric_limits<Real>::infinity()),
        sum_(static_cast<size_t>(x.rows)) {
    values_ = ctx.scratch(x.rows, keep_ ? w.rows : std::min(block_, w.rows));
    for (int64_t first = 0; first < w.rows; first += block_) {
      const Mat<Real> block = compute(first);
      ctx.parallel_rows(x.rows, block.cols * 16, [&](int64_t begin, int64_t end) {
        ctx.kernels().softmax_sums(block.row(begin), end - begin, block.stride, block.cols,
                                   max_.data() + begin, sum_.data() + begin);
      });
    }
    for (size_t t = 0; t < max_.size(); ++t)
      log_sum_.push_back(max_[t] + static_cast<Real>(std::log(static_cast<double>(sum_[t]))));
  }
  Mat<Real> block(int64_t first) const { return keep_ ? at(first) : compute(first); }
  /// What a row's logits are less to be log-probabilities.
  Real log_sum(int64_t row) const { return log_sum_[static_cast<size_t>(row)]; }

 private:
  Mat<Real> at(int64_t first) const {
    return values_.slice_cols(keep_ ? first : 0, std::min(block_, w_.rows - first));
  }
  Mat<Real> compute(int64_t first) const {
    const Mat<Real> block = at(first);
    ctx_.linear(x_, w_.slice_rows(first, block.cols), block);
    return block;
  }

  const Context<Real>& ctx_;
  const WeightView& w_;
  Mat<const Real> x_;
  int64_t block_;
  bool keep_;
  Mat<Real> values_;
  std::vector<Real> max_, sum_, log_sum_;
};

// Row by row, so that threads change nothing.
template <class Real, class F>
void each_row(const Context<Real>& ctx, Mat<Real> own, const F& f) {
  ctx.parallel_rows(own.rows, own.cols * 32, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) f(t);
  });
}

}  // namespace

template <class Real>
void head_rows(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
               Mat<const Real> streams, Mat<Real> rows) {
  over_head_rows<Real>(ctx, config, w, streams, nullptr, [&](int64_t first, Mat<const Real> x, Mat<Real>) {
    for (int64_t t = 0; t < x.rows; ++t) std::copy_n(x.row(t), x.cols, rows.row(first + t));
  });
}

template <class Real>
void head_distill(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
                  const WeightView& lm_head, Mat<const Real> streams, const HeadTeacher<Real>& teacher,
                  const Real* factors, double* losses, const HeadGradients<Real>* grad,
                  const HeadBlocks& blocks) {
  FATHOM_CHECK(teacher.lm_head->rows == lm_head.rows && teacher.rows.rows == streams.rows);
  over_head_rows<Real>(ctx, config, w, streams, grad, [&](int64_t first, Mat<const Real> x, Mat<Real> dx) {
    const Logits<Real> own(ctx, lm_head, x, blocks);
    const Logits<Real> other(ctx, *teacher.lm_head, teacher.rows.slice_rows(first, x.rows), blocks);
    double* const kl = losses + first;
    std::fill_n(kl, x.rows, 0.0);
    for (int64_t v = 0; v < lm_head.rows; v += blocks.vocabulary) {
      const Mat<Real> a = own.block(v), b = other.block(v);
      each_row(ctx, a, [&](int64_t t) {
        const Real *s = a.row(t), *o = b.row(t), less = own.log_sum(t), other_less = other.log_sum(t);
        double sum = 0;
        for (int64_t j = 0; j < a.cols; ++j) {
          const Real log_p = s[j] - less;
          sum += static_cast<double>(std::exp(log_p) * (log_p - (o[j] - other_less)));
        }
        kl[t] += sum;
      });
    }
    for (int64_t v = 0; grad && v < lm_head.rows; v += blocks.vocabulary) {
      const Mat<Real> a = own.block(v), b = other.block(v);
      each_row(ctx, a, [&](int64_t t) {
        const Real *o = b.row(t), less = own.log_sum(t), other_less = other.log_sum(t);
        const Real mean = static_cast<Real>(kl[t]), factor = factors[first + t];
        for (int64_t j = 0; j < a.cols; ++j) {
          const Real log_p = a.row(t)[j] - less;
          a.row(t)[j] = factor * std::exp(log_p) * (log_p - (o[j] - other_less) - mean);
        }
      });
      ctx.linear_backward(a, x, lm_head.slice_rows(v, a.cols), dx,
                          grad->lm_head.data ? grad->lm_head.slice_rows(v, a.cols) : grad->lm_head,
                          v == 0 ? Sum::set : Sum::add);
    }
  });
}
FATHOM_INSTANTIATE(head_rows);
FATHOM_INSTANTIATE(head_distill);

}  // namespace fathom

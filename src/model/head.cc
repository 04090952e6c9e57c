#include "model/head.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "model/head_pass.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// -log p, as every path computes it.
template <class Real>
double loss_of(Real max, Real sum, double own) {
  return static_cast<double>(max) + std::log(static_cast<double>(sum)) - own;
}

// Losses of one chunk of rows x [rows, D], and, if d_x has data, the gradients.
template <class Real>
class ChunkLoss {
 public:
  ChunkLoss(const Context<Real>& ctx, const WeightView& lm_head, Mat<const Real> x, Real scale,
            const HeadBlocks& blocks)
      : ctx_(ctx),
        w_(lm_head),
        x_(x),
        scale_(scale),
        block_(blocks.vocabulary),
        keep_(x.rows * lm_head.rows <= blocks.kept) {
    logits_ = ctx.scratch(x.rows, keep_ ? w_.rows : std::min(block_, w_.rows));
    max_.assign(static_cast<size_t>(x.rows), -std::numeric_limits<Real>::infinity());
    sum_.assign(static_cast<size_t>(x.rows), 0);
    relative_.resize(static_cast<size_t>(x.rows));
  }

  void forward(const int32_t* labels, double* losses) {
    std::vector<double> own(static_cast<size_t>(x_.rows));
    for (int64_t first = 0; first < w_.rows; first += block_) {
      const Mat<Real> block = compute(first);
      ctx_.parallel_rows(x_.rows, block.cols * 16, [&](int64_t begin, int64_t end) {
        ctx_.kernels().softmax_sums(block.row(begin), end - begin, block.stride, block.cols,
                                    max_.data() + begin, sum_.data() + begin);
      });
      for (int64_t t = 0; t < x_.rows; ++t) {
        const int64_t at = labels[t] - first;
        if (at >= 0 && at < block.cols) own[static_cast<size_t>(t)] = static_cast<double>(block.row(t)[at]);
      }
    }
    for (size_t t = 0; t < own.size(); ++t) {
      losses[t] = loss_of(max_[t], sum_[t], own[t]);
    }
  }

  void backward(const int32_t* labels, const Real* factors, Mat<Real> dx, Mat<Real> d_lm_head) {
    for (int64_t first = 0; first < w_.rows; first += block_) {
      const Mat<Real> block = keep_ ? at(first) : compute(first);
      for (int64_t t = 0; t < x_.rows; ++t) relative_[static_cast<size_t>(t)] = labels[t] - first;
      ctx_.parallel_rows(x_.rows, block.cols * 16, [&](int64_t begin, int64_t end) {
        ctx_.kernels().cross_entropy_backward(block.row(begin), end - begin, block.stride, block.cols,
                                              max_.data() + begin, sum_.data() + begin,
                                              relative_.data() + begin, factors + begin);
      });
      ctx_.linear_backward(block, x_, w_.slice_rows(first, block.cols), dx,
                           d_lm_head.data ? d_lm_head.slice_rows(first, block.cols) : d_lm_head,
                           first == 0 ? Sum::set : Sum::add);
    }
  }

 private:
  Mat<Real> at(int64_t first) const {
    return logits_.slice_cols(keep_ ? first : 0, std::min(block_, w_.rows - first));
  }
  Mat<Real> compute(int64_t first) const {
    const Mat<Real> block = at(first);
    ctx_.linear(x_, w_.slice_rows(first, block.cols), block);
    if (scale_ == Real(1)) return block;
    ctx_.parallel_rows(x_.rows, block.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t j = 0; j < block.cols; ++j) block.row(t)[j] *= scale_;
      }
    });
    return block;
  }

  const Context<Real>& ctx_;
  const WeightView& w_;
  Mat<const Real> x_;
  Real scale_;
  int64_t block_;
  bool keep_;
  Mat<Real> logits_;
  std::vector<Real> max_, sum_;
  std::vector<int64_t> relative_;
};

// Of the rows' gradients by their unscaled logits.
template <class Real>
std::vector<Real> factors_of(const HeadLabels<Real>& labels, const double* losses, int64_t first,
                             int64_t count) {
  std::vector<Real> factors(labels.factors + first, labels.factors + first + count);
  for (int64_t t = 0; t < count; ++t) {
    Real& factor = factors[static_cast<size_t>(t)];
    if (labels.slope) factor *= static_cast<Real>(-labels.slope(first + t, -losses[first + t]));
    factor *= labels.inverse_temperature;
  }
  return factors;
}

}  // namespace

template <class Real>
Mat<Real> head_forward(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
                       const WeightView& lm_head, Mat<const Real> streams) {
  const Mat<Real> out = ctx.scratch(streams.rows, config.vocab_size);
  const ArenaScope scope(ctx.arena());
  const Mat<Real> x = ctx.scratch(streams.rows, config.hidden_size);
  hc_head<Real>(ctx, config, w.hc, streams, x);
  ctx.rms_norm(x.data, ctx.values(w.norm), static_cast<Real>(config.rms_norm_eps), x.rows, x.cols, x.data);
  ctx.linear(x, lm_head, out);
  return out;
}

template <class Real>
void head_loss(const Context<Real>& ctx, const ModelConfig& config, const HeadParams<WeightView>& w,
               const WeightView& lm_head, Mat<const Real> streams, const HeadLabels<Real>& labels,
               double* losses, const HeadGradients<Real>* grad, const HeadBlocks& blocks) {
  over_head_rows<Real>(ctx, config, w, streams, grad, [&](int64_t first, Mat<const Real> x, Mat<Real> dx) {
    ChunkLoss<Real> chunk(ctx, lm_head, x, labels.inverse_temperature, blocks);
    chunk.forward(labels.labels + first, losses + first);
    if (grad) {
      const auto factors = factors_of(labels, losses, first, x.rows);
      chunk.backward(labels.labels + first, factors.data(), dx, grad->lm_head);
    }
  });
}

template <class Real>
double label_log_prob(const Context<Real>& ctx, std::span<const Real> logits, int32_t label,
                      Real inverse_temperature) {
  const int64_t cols = std::ssize(logits), width = HeadBlocks{}.vocabulary;
  Real max = -std::numeric_limits<Real>::infinity(), sum = 0;
  std::vector<Real> scaled(logits.begin(), logits.end());
  if (inverse_temperature != Real(1)) {
    for (Real& v : scaled) v *= inverse_temperature;
  }
  for (int64_t first = 0; first < cols; first += width) {
    ctx.kernels().softmax_sums(scaled.data() + first, 1, cols, std::min(width, cols - first), &max, &sum);
  }
  return -loss_of(max, sum, static_cast<double>(scaled[static_cast<size_t>(label)]));
}
FATHOM_INSTANTIATE(head_forward);
FATHOM_INSTANTIATE(head_loss);
FATHOM_INSTANTIATE(label_log_prob);

}  // namespace fathom

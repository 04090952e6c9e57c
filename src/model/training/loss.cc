#include "model/training/loss.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "base/error.h"
#include "model/batch_angles.h"
#include "model/block.h"
#include "model/embedding.h"
#include "model/head.h"
#include "model/instantiate.h"
#include "model/mtp.h"
#include "model/training/label_rows.h"

namespace fathom {
namespace {

void check_document(const ModelConfig& config, const TrainingDocument& d, size_t index) {
  const auto expect = [&](const char* what, size_t found, int64_t expected) {
    if (static_cast<int64_t>(found) != expected) {
      bad_input("document {}: {}: expected {}, found {}", index, what, expected, found);
    }
  };
  if (d.tokens.empty()) bad_input("document {}: expected tokens, found none", index);
  expect("labels", d.labels.size(), d.size());
  if (!d.mtp_labels.empty()) expect("mtp_labels", d.mtp_labels.size(), d.size() - 1);
  if (!d.weights.empty()) expect("weights", d.weights.size(), d.size());
  const auto check_ids = [&](const char* what, const std::vector<int32_t>& ids, bool masked) {
    for (size_t t = 0; t < ids.size(); ++t) {
      if (masked && ids[t] == kNoLabel) continue;
      if (ids[t] < 0 || ids[t] >= config.vocab_size) {
        bad_input("document {}: {} {}: expected an id below {}, found {}", index, what, t, config.vocab_size,
                  ids[t]);
      }
    }
  };
  check_ids("token", d.tokens, false);
  check_ids("label", d.labels, true);
  check_ids("mtp label", d.mtp_labels, true);
}

// One pass over a batch.
template <class Real>
class LossPass {
 public:
  LossPass(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
           const LossOptions& options, const ModelParams<Mat<Real>>* grads,
           std::vector<std::vector<double>>* log_probs)
      : ctx_(ctx),
        model_(model),
        config_(model.config()),
        w_(model.weights().params()),
        batch_(batch),
        options_(options),
        grads_(grads),
        log_probs_(log_probs) {
    for (size_t i = 0; i < batch.size(); ++i) check_document(config_, batch[i], i);
    if (options.mtp_weight != 0 && model.mtp_blocks() != 1) {
      fail(ErrorCode::unsupported, "MTP loss: expected a model with one MTP block, found {}",
           model.mtp_blocks());
    }
    training_.dense_csa = options.dense_csa;
    training_.indexer_weight = grads ? options.indexer_weight : 0;
    training_.balance_weight = batch.empty() ? 0 : options.balance_weight / static_cast<double>(batch.size());
    ctx_.training = &training_;
    report_.indexer.resize(static_cast<size_t>(config_.num_hidden_layers));
    if (grads && !options.indexer_only) {
      report_.expert_load.assign(static_cast<size_t>(config_.num_hidden_layers + model.mtp_blocks()),
                                 std::vector<int64_t>(static_cast<size_t>(config_.n_routed_experts)));
    }
    if (log_probs) {
      log_probs->clear();
      for (const TrainingDocument& d : batch) log_probs->emplace_back(d.tokens.size());
    }
  }

  LossReport run() {
    for (const TrainingDocument& d : batch_) {
      report_.tokens += d.size();
      for (int64_t t = 0; t < d.size(); ++t) {
        report_.labels += d.labels[static_cast<size_t>(t)] != kNoLabel;
        report_.mtp_labels += options_.mtp_weight != 0 && t + 1 < d.size() && d.mtp_label(t) != kNoLabel;
      }
    }
    size_t first = 0;
    while (first < batch_.size()) {
      size_t last = first;
      int64_t tokens = 0;
      do {
        tokens += batch_[last++].size();
      } while (last < batch_.size() && tokens + batch_[last].size() <= options_.group_tokens);
      group(first, last);
      first = last;
    }
    const auto mean = [](double sum, int64_t count) {
      return count > 0 ? sum / static_cast<double>(count) : 0.0;
    };
    report_.lm = mean(report_.lm, report_.labels);
    report_.mtp = mean(report_.mtp, report_.mtp_labels);
    report_.balance = mean(report_.balance, static_cast<int64_t>(batch_.size()));
    report_.loss = report_.lm + options_.mtp_weight * report_.mtp + options_.balance_weight * report_.balance;
    return report_;
  }

 private:
  // Documents [first, last): forward, loss, and all the way back.
  void group(size_t first, size_t last) {
    const ArenaScope scope(ctx_.arena());
    states_.clear();
    Batch rows;
    for (size_t i = first; i < last; ++i) {
      states_.push_back(model_.new_state(ctx_.numerics(), sizeof(Real)));
      rows.add(states_.back(), batch_[i].tokens, LogitRows::none);
    }
    const int64_t width = config_.hc_mult * config_.hidden_size, layers = config_.num_hidden_layers;
    const BatchAngles<Real> angles = batch_angles(ctx_, model_.rope(), rows, LayerSlot{});
    std::vector<Mat<Real>> streams;  // before each layer, and after the last
    streams.push_back(ctx_.scratch(rows.rows(), width));
    {
      const ArenaScope embed_scope(ctx_.arena());
      copy_to_streams<Real>(ctx_, embed(ctx_, w_.embed, rows.tokens), streams[0]);
    }
    const bool keep = grads_ && !options_.indexer_only;
    for (int64_t i = 0; i < layers; ++i) {
      const Mat<Real>& before = streams.back();
      if (options_.indexer_only) indexer_loss(i, angles, rows, before);
      const Mat<Real> after = keep ? copy_of(before) : before;
      forward(i, {i, false}, angles, rows, after);
      streams.push_back(after);
    }
    if (options_.indexer_only) return;

    const Mat<Real> d_streams = keep ? ctx_.scratch(rows.rows(), width) : Mat<Real>{};
    LabelRows main_labels(first, last, batch_, rows, false);
    report_.lm += loss(w_.head, grads_ ? &grads_->head : nullptr, main_labels, 1.0, report_.labels,
                       streams.back(), d_streams, log_probs_);
    if (options_.mtp_weight != 0) mtp(first, last, rows, streams.back(), d_streams);
    if (!keep) return;
    for (int64_t i = layers - 1; i >= 0; --i) {
      backward(i, {i, false}, angles, rows, streams[static_cast<size_t>(i)], d_streams,
               w_.layers[static_cast<size_t>(i)], grads_->layers[static_cast<size_t>(i)]);
    }
    embed_backward<Real>(ctx_, rows.tokens, config_.hc_mult, d_streams, grads_->embed);
  }

  void forward(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles, const Batch& rows,
               Mat<Real> streams) {
    const auto& block = slot.draft ? w_.mtp[static_cast<size_t>(slot.index)].block
                                   : w_.layers[static_cast<size_t>(slot.index)];
    block_forward<Real>(ctx_, config_, model_.weights(), block, layer, slot, model_.rope(), angles, rows,
                        rows.tokens.data(), streams);
  }

  // Runs the layer on `before` again and turns d_streams into the gradient of `before`.
  void backward(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles, const Batch& rows,
                Mat<const Real> before, Mat<Real> d_streams, const BlockParams<WeightView>& w,
                const BlockParams<Mat<Real>>& grad) {
    const ArenaScope scope(ctx_.arena());
    set_indexer_queries(layer);
    const Mat<Real> middle = copy_of(before);
    BlockSaved<Real> saved;
    block_forward<Real>(ctx_, config_, model_.weights(), w, layer, slot, model_.rope(), angles, rows,
                        rows.tokens.data(), middle, &saved);
    const BlockLosses losses = block_backward<Real>(ctx_, config_, model_.weights(), w, layer, model_.rope(),
                                                    angles, rows, before, middle, saved, d_streams, grad);
    report_.balance += losses.balance;
    if (!slot.draft) report_.indexer[static_cast<size_t>(layer)] += losses.indexer;
    auto& load = report_.expert_load[static_cast<size_t>(layer)];
    const int32_t* first = saved.ffn.groups.first;
    for (size_t e = 0; e < load.size(); ++e) load[e] += first[e + 1] - first[e];
  }

  void indexer_loss(int64_t layer, const BatchAngles<Real>& angles, const Batch& rows,
                    Mat<const Real> streams) {
    if (!grads_ || config_.layer(layer).kind != LayerKind::csa) return;
    set_indexer_queries(layer);
    const auto i = static_cast<size_t>(layer);
    report_.indexer[i] += block_indexer_loss<Real>(ctx_, config_, w_.layers[i], layer, model_.rope(), angles,
                                                   rows, streams, grads_->layers[i]);
  }

  // The mean of the indexer's loss is over the whole batch's queries with a complete window before them.
  void set_indexer_queries(int64_t layer) {
    training_.indexer_queries = 0;
    const LayerConfig kind = config_.layer(layer);
    if (kind.kind != LayerKind::csa) return;
    for (const TrainingDocument& d : batch_) {
      training_.indexer_queries += std::max<int64_t>(0, d.size() - kind.ratio + 1);
    }
  }

  // The MTP block on all rows that have a next token: adds to report_.mtp and d_streams.
  void mtp(size_t first, size_t last, const Batch& main, Mat<const Real> streams, Mat<Real> d_streams) {
    const ArenaScope scope(ctx_.arena());
    const MtpParams<WeightView>& w = w_.mtp[0];
    const LayerSlot slot{0, true};
    const int64_t layer = config_.num_hidden_layers;
    Batch rows;
    std::vector<int64_t> from;  // rows of the main batch
    for (size_t i = first; i < last; ++i) {
      const Span& span = main.spans[i - first];
      if (span.count < 2) continue;
      rows.add(*span.kv, std::span(batch_[i].tokens).subspan(1), LogitRows::none);
      for (int64_t t = 0; t + 1 < span.count; ++t) from.push_back(span.first_row + t);
    }
    if (from.empty()) return;
    const Mat<Real> x = gather(streams, from), before = ctx_.scratch(x.rows, x.cols);
    MtpSaved<Real> saved;
    mtp_input<Real>(ctx_, config_, w, w_.embed, rows.tokens, x, before, grads_ ? &saved : nullptr);
    const BatchAngles<Real> angles = batch_angles(ctx_, model_.rope(), rows, slot);
    const Mat<Real> after = copy_of(before);
    forward(layer, slot, angles, rows, after);
    const LabelRows labels(first, last, batch_, rows, true);
    const Mat<Real> d = grads_ ? ctx_.scratch(x.rows, x.cols) : Mat<Real>{};
    report_.mtp += loss(w.head, grads_ ? &grads_->mtp[0].head : nullptr, labels, options_.mtp_weight,
                        report_.mtp_labels, after, d, nullptr);
    if (!grads_) return;
    backward(layer, slot, angles, rows, before, d, w.block, grads_->mtp[0].block);
    const Mat<Real> d_x = ctx_.scratch(x.rows, x.cols);
    std::fill_n(d_x.data, d_x.rows * d_x.cols, Real(0));
    mtp_input_backward<Real>(ctx_, config_, w, rows.tokens, x, saved, d, d_x, grads_->embed, grads_->mtp[0]);
    ctx_.parallel_rows(d_x.rows, d_x.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        Real* out = d_streams.row(from[static_cast<size_t>(t)]);
        for (int64_t c = 0; c < d_x.cols; ++c) out[c] += d_x.row(t)[c];
      }
    });
  }

  // Sum of the weighted losses of labelled rows; sets d_streams, whose other rows are zero, to the gradient
  // of `factor` times their mean over `count` labels.
  double loss(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad, const LabelRows& labels,
              double factor, int64_t count, Mat<const Real> streams, Mat<Real> d_streams,
              std::vector<std::vector<double>>* log_probs) {
    const ArenaScope scope(ctx_.arena());
    const Mat<Real> picked = gather(streams, labels.rows);
    std::vector<double> losses(labels.rows.size());
    std::vector<Real> factors;
    for (const float weight : labels.weights) {
      factors.push_back(static_cast<Real>(factor * static_cast<double>(weight) / static_cast<double>(count)));
    }
    const HeadLabels<Real> head_labels{labels.labels.data(), factors.data()};
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
      sum += static_cast<double>(labels.weights[i]) * losses[i];
      if (log_probs) {
        (*log_probs)[labels.documents[i]][static_cast<size_t>(labels.positions[i])] = -losses[i];
      }
    }
    return sum;
  }

  Mat<Real> copy_of(Mat<const Real> x) const {
    const Mat<Real> copy = ctx_.scratch(x.rows, x.cols);
    ctx_.parallel_rows(x.rows, x.cols, [&](int64_t begin, int64_t end) {
      std::copy_n(x.row(begin), (end - begin) * x.cols, copy.row(begin));
    });
    return copy;
  }
  Mat<Real> gather(Mat<const Real> x, const std::vector<int64_t>& rows) const {
    const Mat<Real> out = ctx_.scratch(static_cast<int64_t>(rows.size()), x.cols);
    ctx_.parallel_rows(out.rows, x.cols, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t)
        std::copy_n(x.row(rows[static_cast<size_t>(t)]), x.cols, out.row(t));
    });
    return out;
  }

  Context<Real> ctx_;
  const Model& model_;
  const ModelConfig& config_;
  const ModelParams<WeightView>& w_;
  const TrainingBatch& batch_;
  const LossOptions& options_;
  const ModelParams<Mat<Real>>* grads_;
  std::vector<std::vector<double>>* log_probs_;
  TrainingPass training_;
  std::deque<KvState> states_;  // of the group's documents
  LossReport report_;
};

}  // namespace

template <class Real>
LossReport loss_and_gradients(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                              const LossOptions& options, const ModelParams<Mat<Real>>& grads) {
  return LossPass<Real>(ctx, model, batch, options, &grads, nullptr).run();
}

template <class Real>
LossReport evaluate_loss(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                         const LossOptions& options, std::vector<std::vector<double>>* log_probs) {
  return LossPass<Real>(ctx, model, batch, options, nullptr, log_probs).run();
}
FATHOM_INSTANTIATE(loss_and_gradients);
FATHOM_INSTANTIATE(evaluate_loss);

}  // namespace fathom

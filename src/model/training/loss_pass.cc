#include "model/training/loss_pass.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "base/error.h"
#include "model/batch_angles.h"
#include "model/embedding.h"
#include "model/instantiate.h"
#include "model/mtp.h"
#include "model/training/router_trace.h"

namespace fathom {

template <class Real>
LossPass<Real>::LossPass(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                         const LossOptions& options, const ModelParams<Mat<Real>>* grads,
                         const LossExtras<Real>& extras)
    : ctx_(ctx),
      model_(model),
      config_(model.config()),
      w_(model.weights().params()),
      batch_(batch),
      options_(options),
      grads_(grads),
      extras_(extras) {
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
  if (extras.log_probs) {
    extras.log_probs->clear();
    for (const TrainingDocument& d : batch) extras.log_probs->emplace_back(d.tokens.size());
  }
}

template <class Real>
LossReport LossPass<Real>::run() {
  for (const TrainingDocument& d : batch_) {
    report_.tokens += d.size();
    for (int64_t t = 0; t < d.size(); ++t) {
      report_.labels += d.labels[static_cast<size_t>(t)] != kNoLabel;
      report_.mtp_labels += options_.mtp_weight != 0 && t + 1 < d.size() && d.mtp_label(t) != kNoLabel;
    }
  }
  const auto blocks = static_cast<size_t>(config_.num_hidden_layers + model_.mtp_blocks());
  RouterTrace<Real> recorder(config_, batch_, part_, nullptr, options_.record_routes);
  if (options_.record_routes && !grads_) {
    options_.record_routes->ids.assign(batch_.size(), std::vector<std::vector<int32_t>>(blocks));
    ctx_.trace = &recorder;
  }
  size_t first = 0;
  while (first < batch_.size()) {
    size_t last = first;
    int64_t tokens = 0;
    do {
      tokens += batch_[last++].size();
    } while (last < batch_.size() && tokens + batch_[last].size() <= options_.group_tokens);
    if (tokens > options_.group_tokens) {
      long_document(first);
    } else {
      group(first, last);
    }
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

template <class Real>
void LossPass<Real>::group(size_t first, size_t last) {
  std::deque<KvState> states;
  LossPart part;
  part.first = first;
  part.last = last;
  for (size_t i = first; i < last; ++i) {
    states.push_back(model_.new_state(ctx_.numerics(), sizeof(Real)));
    part.states.push_back(&states.back());
  }
  part.again = part.states;  // they stay where they are
  run_part(part);
}

// Forward from chunk to chunk, keeping a fork of the state at each chunk's start (and to the end, as the
// balance loss needs the whole document's loads); then from the last chunk to the first, each run again from
// its fork, with the gradients of what it reads of earlier chunks left for these.
template <class Real>
void LossPass<Real>::long_document(size_t index) {
  const int64_t tokens = batch_[index].size(), chunk = std::max<int64_t>(1, options_.group_tokens);
  const auto layers = static_cast<size_t>(config_.num_hidden_layers + model_.mtp_blocks());
  LossPart part;
  part.first = index;
  part.last = index + 1;
  training_.chunk = true;
  loads_.assign(layers, std::vector<int64_t>(static_cast<size_t>(config_.n_routed_experts)));
  training_.sequence_tokens = tokens;

  KvState state = model_.new_state(ctx_.numerics(), sizeof(Real));
  std::vector<KvState> at_start;
  {
    RouterTrace<Real> count(config_, batch_, part_, &loads_, grads_ ? nullptr : options_.record_routes);
    Trace<Real>* const trace = std::exchange(ctx_.trace, &count);
    part.losses = !grads_;
    part.states = {&state};
    for (part.from = 0; part.from < tokens; part.from = part.to) {
      part.to = std::min(tokens, part.from + chunk);
      if (grads_) at_start.push_back(state.fork());
      run_part(part);
    }
    ctx_.trace = trace;
  }
  part.losses = true;
  carried_.resize(layers);
  for (; !at_start.empty(); at_start.pop_back()) {
    part.from = (std::ssize(at_start) - 1) * chunk;
    part.to = std::min(tokens, part.from + chunk);
    KvState forward_state = at_start.back().fork();
    part.states = {&forward_state};
    part.again = {&at_start.back()};
    run_part(part);
  }
  carried_.clear();
  loads_.clear();
  training_.chunk = false;
}

template <class Real>
void LossPass<Real>::run_part(const LossPart& part) {
  const ArenaScope scope(ctx_.arena());
  part_ = &part;
  const Batch rows = main_rows(part, part.states), again = main_rows(part, part.again);
  const int64_t width = config_.hc_mult * config_.hidden_size, layers = config_.num_hidden_layers;
  const BatchAngles<Real> angles = batch_angles(ctx_, model_.rope(), rows, LayerSlot{});
  std::vector<Mat<Real>> streams;  // before each layer, and after the last
  streams.push_back(ctx_.scratch(rows.rows(), width));
  {
    const ArenaScope embed_scope(ctx_.arena());
    copy_to_streams<Real>(ctx_, embed(ctx_, w_.embed, rows.tokens), streams[0]);
  }
  const bool only_indexer = part.losses && options_.indexer_only;
  const bool keep = part.losses && grads_ && !options_.indexer_only;
  std::vector<Kept> kept;  // of the last layers
  const int64_t first_kept = keep ? std::max<int64_t>(0, layers - options_.keep_layers) : layers;
  for (int64_t i = 0; i < layers; ++i) {
    const Mat<Real> before = streams.back();
    if (only_indexer) indexer_loss(i, angles, again, before);
    if (i >= first_kept) {
      kept.push_back(forward_kept(i, {i, false}, angles, rows, before));
      streams.push_back(copy_of(kept.back().middle));
      block_finish<Real>(ctx_, config_, kept.back().saved, streams.back());
      continue;
    }
    const Mat<Real> after = keep ? copy_of(before) : before;
    forward(i, {i, false}, angles, rows, after);
    streams.push_back(after);
  }
  if (only_indexer) return;

  const Mat<Real> d_streams = keep ? ctx_.scratch(rows.rows(), width) : Mat<Real>{};
  if (part.losses) {
    const LabelRows labels(part.first, part.last, part.from, part.to, batch_, rows, false);
    report_.lm += loss(w_.head, keep ? &grads_->head : nullptr, labels, 1.0, report_.labels, streams.back(),
                       d_streams, true);
  }
  if (options_.mtp_weight != 0 && !options_.indexer_only) mtp(part, streams.back(), d_streams);
  if (!keep) return;
  for (int64_t i = layers - 1; i >= 0; --i) {
    backward(i, {i, false}, angles, again, streams[static_cast<size_t>(i)],
             i >= first_kept ? &kept[static_cast<size_t>(i - first_kept)] : nullptr, d_streams,
             grads_->layers[static_cast<size_t>(i)]);
  }
  embed_backward<Real>(ctx_, rows.tokens, config_.hc_mult, d_streams, grads_->embed);
}

template <class Real>
Batch LossPass<Real>::main_rows(const LossPart& part, const std::vector<KvState*>& states) const {
  Batch rows;
  for (size_t k = 0; k < states.size(); ++k) {
    const TrainingDocument& d = batch_[part.first + k];
    const auto from = static_cast<size_t>(part.from), to = static_cast<size_t>(std::min(part.to, d.size()));
    rows.add(*states[k], std::span(d.tokens).subspan(from, to - from), LogitRows::none);
  }
  return rows;
}

template <class Real>
Batch LossPass<Real>::mtp_rows(const LossPart& part, const std::vector<KvState*>& states,
                               std::vector<int64_t>& from) const {
  Batch rows;
  from.clear();
  int64_t first_row = 0;
  for (size_t k = 0; k < states.size(); ++k) {
    const TrainingDocument& d = batch_[part.first + k];
    const int64_t count = std::min(part.to, d.size() - 1) - part.from;  // rows with a next token
    if (count > 0) {
      const std::span<const int32_t> next(d.tokens.data() + part.from + 1, static_cast<size_t>(count));
      rows.add(*states[k], next, LogitRows::none);
      for (int64_t t = 0; t < count; ++t) from.push_back(first_row + t);
    }
    first_row += std::min(part.to, d.size()) - part.from;
  }
  return rows;
}

template <class Real>
void LossPass<Real>::forward(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles,
                             const Batch& rows, Mat<Real> streams) {
  set_routes(layer);
  block_forward<Real>(ctx_, config_, model_.weights(), block_of(slot), layer, slot, model_.rope(), angles,
                      rows, rows.tokens.data(), streams);
}

template <class Real>
typename LossPass<Real>::Kept LossPass<Real>::forward_kept(int64_t layer, LayerSlot slot,
                                                           const BatchAngles<Real>& angles, const Batch& rows,
                                                           Mat<const Real> before) {
  set_routes(layer);
  Kept kept;
  kept.middle = copy_of(before);
  block_forward<Real>(ctx_, config_, model_.weights(), block_of(slot), layer, slot, model_.rope(), angles,
                      rows, rows.tokens.data(), kept.middle, &kept.saved);
  return kept;
}

template <class Real>
void LossPass<Real>::backward(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles,
                              const Batch& rows, Mat<const Real> before, const Kept* kept,
                              Mat<Real> d_streams, const BlockParams<Mat<Real>>& grad) {
  const ArenaScope scope(ctx_.arena());
  prepare_layer(layer);
  Kept again;
  if (!kept) {
    again = forward_kept(layer, slot, angles, rows, before);
    kept = &again;
  }
  const BlockParams<Mat<Real>> taken =
      extras_.blocks ? extras_.blocks->begin(ctx_, layer) : BlockParams<Mat<Real>>{};
  const BlockParams<Mat<Real>>& into = extras_.blocks ? taken : grad;
  const BlockLosses losses =
      block_backward<Real>(ctx_, config_, model_.weights(), block_of(slot), layer, model_.rope(), angles,
                           rows, before, kept->middle, kept->saved, d_streams, into, carried(layer));
  if (extras_.blocks) extras_.blocks->end(ctx_, layer, into);
  report_.balance += losses.balance;
  if (!slot.draft) report_.indexer[static_cast<size_t>(layer)] += losses.indexer;
  auto& load = report_.expert_load[static_cast<size_t>(layer)];
  const int32_t* first = kept->saved.ffn.groups.first;
  for (size_t e = 0; e < load.size(); ++e) load[e] += first[e + 1] - first[e];
}

template <class Real>
void LossPass<Real>::indexer_loss(int64_t layer, const BatchAngles<Real>& angles, const Batch& rows,
                                  Mat<const Real> streams) {
  if (!grads_ || config_.layer(layer).kind != LayerKind::csa) return;
  prepare_layer(layer);
  const auto i = static_cast<size_t>(layer);
  report_.indexer[i] += block_indexer_loss<Real>(ctx_, config_, w_.layers[i], layer, model_.rope(), angles,
                                                 rows, streams, grads_->layers[i], carried(layer));
}

template <class Real>
void LossPass<Real>::set_routes(int64_t layer) {
  training_.chosen_experts = nullptr;
  if (!options_.routes || config_.layer(layer).hash) return;
  routes_ = recorded_routes(config_, batch_, *part_, *options_.routes, layer);
  training_.chosen_experts = routes_.data();
}

template <class Real>
void LossPass<Real>::prepare_layer(int64_t layer) {
  set_routes(layer);
  training_.sequence_load = loads_.empty() ? nullptr : &loads_[static_cast<size_t>(layer)];
  training_.indexer_queries = 0;  // of the whole batch: those with a complete window before them
  const LayerConfig kind = config_.layer(layer);
  if (kind.kind != LayerKind::csa) return;
  for (const TrainingDocument& d : batch_) {
    training_.indexer_queries += std::max<int64_t>(0, d.size() - kind.ratio + 1);
  }
}

template <class Real>
void LossPass<Real>::mtp(const LossPart& part, Mat<const Real> streams, Mat<Real> d_streams) {
  const ArenaScope scope(ctx_.arena());
  const MtpParams<WeightView>& w = w_.mtp[0];
  const LayerSlot slot{0, true};
  const int64_t layer = config_.num_hidden_layers;
  const bool keep = part.losses && grads_;
  std::vector<int64_t> from;
  const Batch again = mtp_rows(part, part.again, from), rows = mtp_rows(part, part.states, from);
  if (from.empty()) return;
  const Mat<Real> x = gather(streams, from), before = ctx_.scratch(x.rows, x.cols);
  MtpSaved<Real> saved;
  mtp_input<Real>(ctx_, config_, w, w_.embed, rows.tokens, x, before, keep ? &saved : nullptr);
  const BatchAngles<Real> angles = batch_angles(ctx_, model_.rope(), rows, slot);
  std::optional<Kept> kept;
  if (keep && options_.keep_layers > 0) kept = forward_kept(layer, slot, angles, rows, before);
  const Mat<Real> after = copy_of(kept ? kept->middle : before);
  if (kept) {
    block_finish<Real>(ctx_, config_, kept->saved, after);
  } else {
    forward(layer, slot, angles, rows, after);
  }
  if (!part.losses) return;
  const LabelRows labels(part.first, part.last, part.from, part.to, batch_, rows, true);
  const Mat<Real> d = keep ? ctx_.scratch(x.rows, x.cols) : Mat<Real>{};
  report_.mtp += loss(w.head, keep ? &grads_->mtp[0].head : nullptr, labels, options_.mtp_weight,
                      report_.mtp_labels, after, d, false);
  if (!keep) return;
  backward(layer, slot, angles, again, before, kept ? &*kept : nullptr, d, grads_->mtp[0].block);
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

template <class Real>
Mat<Real> LossPass<Real>::copy_of(Mat<const Real> x) const {
  const Mat<Real> copy = ctx_.scratch(x.rows, x.cols);
  ctx_.parallel_rows(x.rows, x.cols, [&](int64_t begin, int64_t end) {
    std::copy_n(x.row(begin), (end - begin) * x.cols, copy.row(begin));
  });
  return copy;
}

template <class Real>
Mat<Real> LossPass<Real>::gather(Mat<const Real> x, const std::vector<int64_t>& rows) const {
  const Mat<Real> out = ctx_.scratch(static_cast<int64_t>(rows.size()), x.cols);
  ctx_.parallel_rows(out.rows, x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      std::copy_n(x.row(rows[static_cast<size_t>(t)]), x.cols, out.row(t));
  });
  return out;
}

template class LossPass<float>;
template class LossPass<double>;

}  // namespace fathom

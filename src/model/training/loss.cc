#include "model/training/loss.h"

#include "base/error.h"
#include "model/instantiate.h"
#include "model/training/loss_pass.h"

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

void check_documents(const ModelConfig& config, const TrainingBatch& batch) {
  for (size_t i = 0; i < batch.size(); ++i) check_document(config, batch[i], i);
}

}  // namespace

template <class Real>
LossReport loss_and_gradients(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                              const LossOptions& options, const ModelParams<Mat<Real>>& grads,
                              const LossExtras<Real>& extras) {
  check_documents(model.config(), batch);
  return LossPass<Real>(ctx, model, batch, options, &grads, extras).run();
}

template <class Real>
LossReport evaluate_loss(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                         const LossOptions& options, std::vector<std::vector<double>>* log_probs) {
  check_documents(model.config(), batch);
  return LossPass<Real>(ctx, model, batch, options, nullptr, {nullptr, log_probs}).run();
}

template <class Real>
std::vector<std::vector<Real>> teacher_rows(const Context<Real>& ctx, const Model& model,
                                            const TrainingBatch& batch, const LossOptions& options) {
  check_documents(model.config(), batch);
  std::vector<std::vector<Real>> rows;
  LossPass<Real> pass(ctx, model, batch, options, nullptr, {});
  pass.record_head(&rows);
  pass.run();
  return rows;
}
FATHOM_INSTANTIATE(loss_and_gradients);
FATHOM_INSTANTIATE(teacher_rows);
FATHOM_INSTANTIATE(evaluate_loss);

}  // namespace fathom

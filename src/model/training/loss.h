#pragma once
/// The training loss of a batch and its gradients, for all parameters at once. Source: architecture.md
/// section 13; design: hard point 1 (one code for inference and training, recomputation).
///
/// Only the streams that enter each layer are kept; on the way back a layer runs forward again, keeping what
/// its backward pass needs, and the memory is given back layer by layer. Of a document in chunks only the
/// streams of one chunk are kept: its forward pass is made again, too.

#include <vector>

#include "model/model.h"
#include "model/training/batch.h"

namespace fathom {

/// Which experts a batch's tokens went to: recorded with one set of weights, used with a later one
/// (anticipatory routing; its weights are the later one's all the same).
struct RouteRecord {
  /// [documents][layers + mtp][rows * k], ascending in each row; MTP has a row less.
  std::vector<std::vector<std::vector<int32_t>>> ids;
};

struct LossOptions {
  double mtp_weight = 0;      ///< lambda of the MTP loss; 0: the MTP block is not run
  double balance_weight = 0;  ///< of the sequence balance loss; 1e-4 as published
  bool dense_csa = false;     ///< CSA layers attend all visible entries (dense stage, indexer warm-up)
  double indexer_weight = 0;  ///< > 0: the indexer's loss is computed, and its gradient scaled by this
  bool indexer_only = false;  ///< warm-up: forward and the indexer's loss alone; other gradients stay as they
                              ///< are
  /// Documents run in groups of at most so many tokens, in order; a longer document runs by itself in chunks
  /// of so many. Less memory, sums rounded otherwise, nothing else.
  int64_t group_tokens = 16384;
  /// So many of the last layers, and the MTP block if it is not 0, keep what their backward pass needs from
  /// the forward pass instead of running again: the same bits, less work, more memory for each token of a
  /// group.
  int64_t keep_layers = 0;
  double temperature = 1;                ///< what the main model's logits are divided by
  RouteRecord* record_routes = nullptr;  ///< filled by evaluate_loss()
  const RouteRecord* routes = nullptr;   ///< instead of what learned routers would choose
};

struct LossReport {
  /// lm + mtp_weight mtp + balance_weight balance; the parts are means without their factors.
  double loss = 0, lm = 0, mtp = 0, balance = 0;
  int64_t tokens = 0, labels = 0, mtp_labels = 0;
  std::vector<IndexerLoss> indexer;  ///< [layers], sums; no queries where not CSA or not asked for
  /// [layers + mtp][E] tokens that each expert got; empty without gradients.
  std::vector<std::vector<int64_t>> expert_load;
};

/// Takes the gradients of a block as soon as they are complete, in the place of matrices that stay: of
/// parameters that are not trained themselves, but what is trained beside them (adapters) is reached through
/// them. No more than one block's gradients exist at a time.
template <class Real>
class BlockGradients {
 public:
  virtual ~BlockGradients() = default;
  /// The matrices for the gradients of block `layer` (draft blocks after the main ones), zeroed, in the arena
  /// of ctx; those without data are frozen.
  virtual BlockParams<Mat<Real>> begin(const Context<Real>& ctx, int64_t layer) = 0;
  virtual void end(const Context<Real>& ctx, int64_t layer, const BlockParams<Mat<Real>>& gradients) = 0;
};

/// A loss of the labels' log-probabilities, in the place of their cross-entropy: a policy's.
class LabelObjective {
 public:
  struct Term {
    double value = 0;
    double slope = 0;  ///< derivative of the value by the log-probability
  };
  virtual ~LabelObjective() = default;
  /// Of the label at a position of a document of the batch.
  virtual Term term(size_t document, int64_t position, double log_prob) const = 0;
};

/// What a teacher has for one document: the rows before the last product of its head.
template <class Real>
struct TeacherRows {
  const WeightView* lm_head = nullptr;  ///< [V, D of the teacher]
  const Real* rows = nullptr;           ///< [T, D of the teacher], read where there is a label
};

/// What else a pass may give or take; null: nothing.
template <class Real>
struct LossExtras {
  BlockGradients<Real>* blocks = nullptr;  ///< takes the blocks' gradients in the place of `grads`
  /// Gets [documents][T] log-probabilities of the labels, 0 where masked.
  std::vector<std::vector<double>>* log_probs = nullptr;
  const LabelObjective* objective = nullptr;  ///< of the main model's labels; `lm` is then its mean
  /// [documents]: the main model's loss is the KL from it to the teacher over the whole vocabulary, at the
  /// positions that have a label.
  const std::vector<TeacherRows<Real>>* teachers = nullptr;
};

/// Adds the gradient of the loss to `grads`, where a matrix without data is frozen. The same bits for any
/// number of threads. Throws Error(bad_input) naming document and position for ids or labels that the
/// vocabulary does not have, for lengths that disagree and routes of another batch; Error(unsupported) for an
/// MTP loss without exactly one MTP block.
template <class Real>
LossReport loss_and_gradients(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                              const LossOptions& options, const ModelParams<Mat<Real>>& grads,
                              const LossExtras<Real>& extras = {});

/// The losses alone (balance loss and indexer's loss excepted).
/// @param log_probs if not null, gets [documents][T] log-probabilities of the labels, 0 where masked
template <class Real>
LossReport evaluate_loss(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
                         const LossOptions& options, std::vector<std::vector<double>>* log_probs = nullptr);

/// [documents][T * D] what TeacherRows of this model has, 0 where there is no label.
template <class Real>
std::vector<std::vector<Real>> teacher_rows(const Context<Real>& ctx, const Model& model,
                                            const TrainingBatch& batch, const LossOptions& options);

}  // namespace fathom

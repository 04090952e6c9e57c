#pragma once
/// One pass over a training batch: the work behind loss.h.

#include <vector>

#include "model/block.h"
#include "model/training/label_rows.h"
#include "model/training/loss.h"
#include "model/training/loss_part.h"

namespace fathom {

template <class Real>
class LossPass {
 public:
  /// @param grads null: losses only
  LossPass(const Context<Real>& ctx, const Model& model, const TrainingBatch& batch,
           const LossOptions& options, const ModelParams<Mat<Real>>* grads, const LossExtras<Real>& extras);
  LossReport run();
  /// In the place of losses: rows as teacher_rows() gives them.
  void record_head(std::vector<std::vector<Real>>* rows);

 private:
  void group(size_t first, size_t last);
  void long_document(size_t index);
  /// Forward, loss, and all the way back.
  void run_part(const LossPart& part);
  Batch main_rows(const LossPart& part, const std::vector<KvState*>& states) const;
  /// All rows that have a next token; `from` gets their rows in the main batch.
  Batch mtp_rows(const LossPart& part, const std::vector<KvState*>& states, std::vector<int64_t>& from) const;

  /// What a layer's backward pass needs of its forward pass.
  struct Kept {
    Mat<Real> middle;
    BlockSaved<Real> saved;
  };
  const BlockParams<WeightView>& block_of(LayerSlot slot) const {
    const auto i = static_cast<size_t>(slot.index);
    return slot.draft ? w_.mtp[i].block : w_.layers[i];
  }
  /// Forward in place.
  void forward(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles, const Batch& rows,
               Mat<Real> streams);
  Kept forward_kept(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles, const Batch& rows,
                    Mat<const Real> before);
  /// Turns d_streams into the gradient of `before`; without `kept`, the layer runs on `before` again.
  void backward(int64_t layer, LayerSlot slot, const BatchAngles<Real>& angles, const Batch& rows,
                Mat<const Real> before, const Kept* kept, Mat<Real> d_streams,
                const BlockParams<Mat<Real>>& grad);
  void indexer_loss(int64_t layer, const BatchAngles<Real>& angles, const Batch& rows,
                    Mat<const Real> streams);
  /// The recorded routes of the part's rows, if there are any for the layer.
  void set_routes(int64_t layer);
  /// What the layer's backward pass needs to know of the whole batch and, in a chunk, of the whole document.
  void prepare_layer(int64_t layer);
  /// The MTP block: adds to report_.mtp and d_streams.
  void mtp(const LossPart& part, Mat<const Real> streams, Mat<Real> d_streams);
  /// Sum of the weighted losses of labelled rows; sets d_streams, whose other rows are zero, to the gradient
  /// of `factor` times their mean over `count` labels.
  double loss(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad, const LabelRows& labels,
              double factor, int64_t count, Mat<const Real> streams, Mat<Real> d_streams, bool main);

  /// Sets d_picked, the gradient of the labels' streams.
  double label_losses(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad,
                      const LabelRows& labels, Mat<const Real> picked, const std::vector<Real>& factors,
                      Mat<Real> d_picked, bool main);
  /// The same to teachers: labels of the same teacher together.
  double distillation(const HeadParams<WeightView>& head, const HeadParams<Mat<Real>>* grad,
                      const LabelRows& labels, Mat<const Real> picked, const std::vector<Real>& factors,
                      Mat<Real> d_picked);
  void keep_head_rows(const HeadParams<WeightView>& head, const LabelRows& labels, Mat<const Real> picked);

  LayerKvGrad<Real>* carried(int64_t layer) {
    return carried_.empty() ? nullptr : &carried_[static_cast<size_t>(layer)];
  }
  Mat<Real> copy_of(Mat<const Real> x) const;
  Mat<Real> gather(Mat<const Real> x, const std::vector<int64_t>& rows) const;

  Context<Real> ctx_;
  const Model& model_;
  const ModelConfig& config_;
  const ModelParams<WeightView>& w_;
  const TrainingBatch& batch_;
  const LossOptions& options_;
  const ModelParams<Mat<Real>>* grads_;
  const LossExtras<Real> extras_;
  std::vector<std::vector<Real>>* head_rows_ = nullptr;
  TrainingPass training_;
  const LossPart* part_ = nullptr;  // under way
  std::vector<int32_t> routes_;     // of a layer's rows
  LossReport report_;
  // Of the long document under way, else empty: gradients for earlier chunks, and each expert's tokens, both
  // by layer, the MTP block last.
  std::vector<LayerKvGrad<Real>> carried_;
  std::vector<std::vector<int64_t>> loads_;
};

}  // namespace fathom

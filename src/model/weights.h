#pragma once
/// Weights: the parameters of a checkpoint as views, and what keeps them alive. Const after load, shared by
/// all.

#include <memory>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "model/params.h"

namespace fathom {

/// The three matrices of an expert, valid while the lease lives.
struct ExpertLease {
  ExpertParams<WeightView> weights;
  std::shared_ptr<const void> pin;  ///< what an expert cache pins; null when the weights are mapped
};

class Weights {
 public:
  /// Takes every parameter the config names from the checkpoint; shapes and dtypes are checked. An MTP block
  /// is loaded if all of it is there (transformers drops it) and the checkpoint has no DSpark drafter in its
  /// place. Throws Error naming the tensor.
  static std::shared_ptr<const Weights> load(std::shared_ptr<const Checkpoint> checkpoint,
                                             const ModelConfig& config);

  /// Weights in memory that `owner` keeps alive.
  static std::shared_ptr<const Weights> over(const ModelParams<WeightView>& params,
                                             std::shared_ptr<const void> owner);

  const ModelParams<WeightView>& params() const { return params_; }
  int64_t mtp_blocks() const { return static_cast<int64_t>(params_.mtp.size()); }
  /// The file that the weights came from; only weights that were loaded have one.
  const Checkpoint& checkpoint() const {
    FATHOM_CHECK(checkpoint_ != nullptr);
    return *checkpoint_;
  }
  /// Expert e of the block `moe` belongs to.
  ExpertLease acquire(const MoeParams<WeightView>& moe, int64_t e) const {
    return {moe.experts[static_cast<size_t>(e)], nullptr};
  }
  /// Bytes of the small tensors copied at load.
  int64_t copied_bytes() const { return copied_bytes_; }

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<const void> owner_;
  ModelParams<WeightView> params_;
  std::vector<std::vector<float>> vectors_;
  std::vector<std::vector<int32_t>> tables_;
  int64_t copied_bytes_ = 0;
};

}  // namespace fathom

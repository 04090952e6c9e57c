#pragma once
/// Model: config and weights, and the forward pass over a batch. Source: architecture.md sections 2 and 8.

#include <filesystem>
#include <memory>

#include "model/batch.h"
#include "model/context.h"
#include "model/rope_table.h"
#include "model/weights.h"

namespace fathom {

/// What a forward pass gives; views into the arena of ctx, valid until the caller's ArenaScope ends.
template <class Real>
struct ForwardResult {
  Mat<Real> logits;   ///< [batch.logit_rows(), V]
  Mat<Real> streams;  ///< [rows, n*D] after the last main block (input of the MTP block)
};

class Model {
 public:
  /// Opens a folder, .safetensors or .gguf file. Throws Error naming file, field or tensor.
  static std::shared_ptr<const Model> open(const std::filesystem::path& path);
  static std::shared_ptr<const Model> open(std::shared_ptr<const Checkpoint> checkpoint);

  /// A model over weights in memory, as training has them: matrices of any dtype, small tensors F32 (F64 for
  /// the double model). `owner` keeps them alive; their values may change between passes.
  static std::shared_ptr<const Model> over(const ModelConfig& config, const ModelParams<WeightView>& params,
                                           std::shared_ptr<const void> owner);

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return *weights_; }
  const RopeTables& rope() const { return *rope_; }
  /// MTP blocks the checkpoint has.
  int64_t mtp_blocks() const { return weights_->mtp_blocks(); }
  /// An empty sequence. Throws Error(unsupported) if the mode's quantisers do not fit the config: the
  /// indexer's Hadamard rotation wants index_head_dim to be a power of two.
  KvState new_state(const Numerics& numerics, int64_t scalar_bytes = 4) const;

  /// Runs the batch and advances every span's state. Token ids must lie below V (checked: Error(bad_input)).
  /// If something throws, the states are cut back to where they were, or to the last position they still
  /// hold.
  template <class Real>
  ForwardResult<Real> forward(const Context<Real>& ctx, const Batch& batch) const;

  /// The MTP block on rows whose next token is known: row i of `streams` belongs to position p, tokens[i] is
  /// token p+1; logits [rows, V] for token p+2. Advances the draft part of each span's state (span.logits is
  /// not read).
  template <class Real>
  Mat<Real> forward_mtp(const Context<Real>& ctx, int64_t block, const Batch& batch,
                        Mat<const Real> streams) const;

 private:
  ModelConfig config_;
  std::shared_ptr<const Weights> weights_;
  std::unique_ptr<const RopeTables> rope_;
};

}  // namespace fathom

#pragma once
/// fp32 master weights, and the copies that forward and backward compute with. Source: architecture.md
/// section 13 (FP8, FP4 QAT).

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/huge_pages.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "model/numerics.h"
#include "train/param_table.h"

namespace fathom {

/// The masters of a model: flat arrays laid out by a ParamTable.
struct MasterWeights {
  explicit MasterWeights(const ParamTable& table)
      : values(static_cast<size_t>(table.size())), tables(static_cast<size_t>(table.table_size())) {}
  std::vector<float> values;
  std::vector<int32_t> tables;  ///< tid2eid
};

struct InitialWeights {
  uint64_t seed = 0;
  double gain = 0.6;         ///< of matrices: deviation gain / sqrt(cols)
  double output_gain = 0.1;  ///< further factor of what ends in the residual streams (wo_b, w2)
  double embed_deviation = 0.5;
  double head_deviation = 0.005;
};
/// A new model: normal matrices, norms 1, sinks and biases 0, mHC a plain residual stream (scale .01, pre
/// 1/n, post 1, comb near the identity), tid2eid distinct experts in each row. A value depends on seed, name
/// and index alone. Source: architecture.md section 13 (mHC).
MasterWeights initial_weights(const ParamTable& table, const InitialWeights& options);

/// The values of a checkpoint. Throws Error naming a tensor that is absent, of another shape, or has a value
/// that is not finite.
MasterWeights load_masters(const ParamTable& table, const Checkpoint& checkpoint);
/// The adapters of a folder that write_adapter() wrote. Throws Error naming a matrix that is not there, has
/// another shape or none of the table's.
MasterWeights load_adapter_masters(const ParamTable& table, const std::filesystem::path& folder);

/// What a training pass computes in.
enum class Precision : uint8_t {
  fp32,
  bf16,  ///< bf16 matrices and products, fp32 sums
  fp8,   ///< what a release stores as FP8 or FP4 as E4M3 in 128 x 128 blocks, other matrices bf16
  fp4,   ///< the same, but routed experts in FP4: quantisation-aware training of what is released
};
std::string_view name(Precision precision);
/// Throws Error(bad_input) for a name other than fp32, bf16, fp8, fp4.
Precision precision_from_name(std::string_view name);
/// The numerics of a training pass in this precision.
Numerics training_numerics(Precision precision);

/// Throws Error(bad_input) naming what of the model this precision cannot hold: FP4 wants columns of experts
/// in multiples of 32 and an indexer as wide as a power of two.
void check_precision(const ModelConfig& config, Precision precision);

/// Copies of the masters as a precision stores them. fp32 matrices and all small tensors are views of the
/// masters themselves.
class ComputeWeights {
 public:
  /// `masters` must outlive this, and so must `base`: of adapters, the model that they are added to, which is
  /// read where it lies. Throws Error(bad_input) naming a tensor that the format cannot block (FP4:
  /// columns no multiple of 32). refresh() must be called before params() are read.
  ComputeWeights(const ParamTable& table, const MasterWeights& masters, Precision precision,
                 const Checkpoint* base = nullptr);

  /// The views; they stay the same over refreshes.
  const ModelParams<WeightView>& params() const { return params_; }
  /// Brings the copies up to date with the masters. Throws Error(bad_input) naming a tensor with a value that
  /// the format cannot hold.
  void refresh(ThreadPool& pool);
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }

 private:
  struct Copy {
    WeightView from;
    DType dtype;
    size_t values, scales;  // offsets in bytes_
    std::string name;
    std::optional<AdapterMatrix> adapter;  // added to `from`
  };
  void adapt(const ParamTable& table, const MasterWeights& masters, Precision precision,
             const Checkpoint& base);
  /// Reserves a copy of `from` and remembers whose view it is.
  void copy(const WeightView& from, DType dtype, const std::string& name, WeightView& view);
  void allocate();

  ModelParams<WeightView> params_;
  std::vector<Copy> copies_;
  std::vector<WeightView*> views_;  // of the copies, until they are allocated
  size_t size_ = 0;
  std::vector<std::byte, HugeAllocator<std::byte>> bytes_;
  bool adapts_ = false, fresh_ = true;
  AdapterShape shape_;
  std::deque<std::vector<float>> vectors_;  // of the base
  std::deque<std::vector<int32_t>> tables_;
};

}  // namespace fathom

#pragma once
/// The trained parameters in one row: which optimizer moves a tensor, which parts of it are matrices of their
/// own, and where its values lie in flat arrays (masters, gradients, moments all have the same layout).
/// Source: architecture.md section 13 (AdamW, Muon, Muon's matrices).

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "checkpoint/adapter.h"
#include "model/params.h"

namespace fathom {

enum class OptimizerKind : uint8_t {
  muon,
  adamw,
  none,  ///< gate.bias: moved by the load of its experts; tid2eid: fixed
};

/// Rows [first, last) of a tensor that are one matrix to Muon.
struct RowRange {
  int64_t first = 0, last = 0;
  int64_t rows() const { return last - first; }
};

struct TrainedParam {
  std::string name;  ///< official
  ParamClass kind = ParamClass::matrix;
  OptimizerKind optimizer = OptimizerKind::adamw;
  int64_t rows = 0, cols = 0;
  int64_t offset = 0;           ///< of its first value in a flat array; a multiple of 16 (tables: in tables)
  std::vector<RowRange> parts;  ///< muon: the matrices; else the tensor whole
  int64_t layer = -1;           ///< block index, draft blocks after the main ones; -1 outside blocks
  bool indexer = false;         ///< one of the six indexer tensors, which the LM loss does not reach
  int64_t values() const { return rows * cols; }
};

struct ParamTableOptions {
  bool split = true;        ///< Muon's matrices as architecture.md has them; false: each stored tensor is one
  bool per_head = false;    ///< wq_b as one matrix for each head
  bool adamw_only = false;  ///< AdamW for everything (the comparison)
};

class ParamTable {
 public:
  ParamTable(const ModelConfig& config, int64_t mtp_blocks, const ParamTableOptions& options = {});

  /// The table of adapters to a model's matrices, and of nothing else: for each matrix that `shape` wants,
  /// its lora_A and then its lora_B. Throws Error(bad_input) naming a target that no matrix has.
  ParamTable(const ModelConfig& config, int64_t mtp_blocks, const AdapterShape& shape,
             const ParamTableOptions& options = {});

  /// The adapters' shape; rank 0: the table is of the model itself.
  const AdapterShape& adapter() const { return adapter_; }
  /// Official name of the matrix that adapter parameter i belongs to.
  std::string adapter_matrix_name(size_t i) const;
  /// The adapters in a flat array of this table.
  std::vector<AdapterMatrix> adapter_matrices(const float* flat) const;

  const std::vector<TrainedParam>& params() const { return params_; }
  const ModelConfig& config() const { return config_; }
  int64_t mtp_blocks() const { return mtp_blocks_; }
  /// Values of a flat array: all float tensors, each padded to a multiple of 16.
  int64_t size() const { return size_; }
  /// Entries of all tid2eid tables together.
  int64_t table_size() const { return table_size_; }
  /// The parameter of this official name; null if there is none.
  const TrainedParam* find(const std::string& name) const;

  /// Views of a flat array in the model's structure. A tensor that `wanted` refuses, and whatever has no
  /// gradient, stays null: the backward pass skips it. Of adapters all is null.
  ModelParams<Mat<float>> gradient_views(float* flat,
                                         const std::function<bool(const TrainedParam&)>& wanted) const;

 private:
  void add(TrainedParam p);

  ModelConfig config_;
  AdapterShape adapter_;
  int64_t mtp_blocks_ = 0, size_ = 0, table_size_ = 0;
  std::vector<TrainedParam> params_;
};

}  // namespace fathom

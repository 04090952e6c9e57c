#pragma once
/// The complete list of a config's tensors under official names: shape, kind of storage, part of the model.
/// What `init` and `convert` write, and what `inspect` and `plan` count. Source: architecture.md sections 8
/// and 9.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "model/config.h"

namespace fathom {

/// How a release stores a tensor (the table's last column).
enum class StorageClass : uint8_t {
  b,    ///< bf16
  f,    ///< fp32
  q8,   ///< FP8 with 128 x 128 scales
  q4,   ///< FP4 with one scale per row and 32 columns
  i64,  ///< integers
};

/// Which part of the model a tensor belongs to, for counting.
enum class TensorPart : uint8_t {
  embedding,
  head,
  norm,
  hyper_connection,
  attention,
  compressor,
  indexer,
  router,
  hash_table,
  experts,
  shared_expert,
  draft_head,  ///< what a draft layer has beyond a block: e_proj, main_proj, markov_head, ...
};
std::string_view name(TensorPart part);  // "embedding", "hyper_connection", ...

struct TensorInfo {
  std::string name;            ///< official: "layers.3.attn.wq_a.weight"
  std::vector<int64_t> shape;  ///< of the values (FP4: not yet halved), [out, in] for matrices
  StorageClass storage = StorageClass::b;
  TensorPart part = TensorPart::norm;
  bool draft = false;   ///< belongs to an MTP block or DSpark stage
  int64_t layer = -1;   ///< block index; draft blocks count on from num_hidden_layers; -1 outside blocks
  int64_t expert = -1;  ///< routed expert index
  int64_t values() const;
};

struct InventoryOptions {
  bool draft_layers = true;  ///< MTP block or DSpark stages, if the config has them
  bool mtp_copies = false;   ///< Base's copies of embedding and head under mtp.0, which loaders skip
};

/// Every tensor of the model, in the order of section 9's table. Experts are q4 if the config's expert_dtype
/// is fp4, else q8.
std::vector<TensorInfo> inventory(const ModelConfig& config, const InventoryOptions& options = {});

/// The storage a writer may be asked for.
enum class WeightFormat : uint8_t {
  f32,
  f16,      ///< b, q8, q4 tensors as F16, the rest F32
  bf16,     ///< b, q8, q4 tensors as BF16, the rest F32
  fp8,      ///< q8 and q4 tensors as FP8, the rest as released
  release,  ///< as released: q8 as FP8, q4 as FP4
};
std::optional<WeightFormat> weight_format_from_name(std::string_view name);  // "f32", ..., "release"
/// What a checkpoint of this config holds if nothing else is known: release if quantised, else its dtype.
WeightFormat usual_format(const ModelConfig& config);

/// A tensor as it lies in a file.
struct StoredTensor {
  std::string name;
  DType dtype = DType::F32;    ///< FP4 values: F4_E2M1 (safetensors: I8)
  std::vector<int64_t> shape;  ///< as stored: FP4 is [out, in/2]
  int64_t bytes = 0;
};
/// The values of `tensor` in `format`, then its scales if it has them ("X.scale", F8_E8M0). Throws
/// Error(bad_input) if FP4 does not fit (columns not a multiple of 32).
std::vector<StoredTensor> stored(const TensorInfo& tensor, WeightFormat format);

}  // namespace fathom

#pragma once
/// What a checkpoint consists of, without running it: tensors, counts and bytes, what is missing, unknown or
/// broken. Source: architecture.md sections 8 and 9.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/config.h"

namespace fathom {

struct TensorCount {
  int64_t tensors = 0, bytes = 0;
};

struct InspectedTensor {
  std::string name;  ///< official
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  int64_t bytes = 0;
  bool used = true;  ///< false: of a drafter or an incomplete MTP block
};

/// How the scales of the weights were found.
enum class ScaleCheck : uint8_t { good, broken, skipped };

struct Inspection {
  std::string path, naming;
  ModelConfig config;
  std::vector<InspectedTensor> tensors;       ///< in name order, the unused ones last
  std::map<std::string, TensorCount> dtypes;  ///< "BF16", ...; FP4 values in safetensors: "F4_E2M1 (I8)"
  std::map<std::string, TensorCount> parts;   ///< "experts", ... with their scales; "draft layers" together
  TensorCount total;
  int64_t parameters = 0;  ///< values of the main model's weights, tid2eid and scales not counted
  int64_t mtp_blocks = 0;
  std::vector<std::string> missing;  ///< of the main model's inventory
  std::vector<std::string> unknown, notes;
  std::optional<DsparkInfo> dspark;
  ScaleCheck scales = ScaleCheck::skipped;
  int64_t scale_tensors = 0, scale_bytes = 0;  ///< ggml's blocks: tensors that have them, scales alone
  std::string scale_error;                     ///< file, tensor and position of the first bad scale
};

struct InspectOptions {
  /// Scales above this are not read by themselves (V4-Flash: 8.4 GB); a negative limit reads all. The scales
  /// of ggml's blocks count with their blocks.
  int64_t most_scale_bytes = int64_t{1} << 30;
};

/// Throws Error for a config that cannot be read.
Inspection inspect(const Checkpoint& checkpoint, const InspectOptions& options = {});

/// The report as text, with every tensor in a line if asked for; as JSON with every tensor.
std::string inspection_text(const Inspection& inspection, bool tensors);
std::string inspection_json(const Inspection& inspection);

}  // namespace fathom

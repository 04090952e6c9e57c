#include "engine/inspect.h"

#include <unordered_map>

#include "base/error.h"
#include "formats/ggml_blocks.h"
#include "model/inventory.h"
#include "model/read_config.h"

namespace fathom {
namespace {

bool is_scale(const std::string& name) { return name.ends_with(".scale"); }

std::string dtype_label(const InspectedTensor& tensor) {
  if (tensor.dtype == DType::I8) return "F4_E2M1 (I8)";
  return std::string(name(tensor.dtype));
}

// Part and class of every tensor the config asks for.
std::unordered_map<std::string, TensorInfo> inventory_by_name(const ModelConfig& config) {
  std::unordered_map<std::string, TensorInfo> out;
  for (TensorInfo& tensor : inventory(config)) {
    std::string key = tensor.name;
    out.emplace(std::move(key), std::move(tensor));
  }
  return out;
}

std::string part_of(const std::string& tensor, const std::unordered_map<std::string, TensorInfo>& known) {
  if (tensor.starts_with("mtp.")) return "draft layers";
  std::string weight = tensor;
  if (is_scale(tensor)) weight.replace(weight.rfind(".scale"), 6, ".weight");
  const auto found = known.find(weight);
  return found == known.end() ? "outside the config" : std::string(name(found->second.part));
}

void check_scales(const Checkpoint& checkpoint, const InspectOptions& options, Inspection& out) {
  int64_t read_bytes = 0;  // to see them: of ggml's blocks everything
  for (const InspectedTensor& tensor : out.tensors) {
    const bool blocks = is_ggml_block(tensor.dtype);
    if (!blocks && !is_scale(tensor.name)) continue;
    ++out.scale_tensors;
    out.scale_bytes +=
        blocks ? tensor.bytes / block_bytes(tensor.dtype) * ggml_scale_bytes(tensor.dtype) : tensor.bytes;
    read_bytes += tensor.bytes;
  }
  if (options.most_scale_bytes >= 0 && read_bytes > options.most_scale_bytes) return;
  try {
    checkpoint.validate_scales();
    out.scales = ScaleCheck::good;
  } catch (const Error& error) {
    out.scales = ScaleCheck::broken;
    out.scale_error = error.message();
  }
}

}  // namespace

Inspection inspect(const Checkpoint& checkpoint, const InspectOptions& options) {
  Inspection out;
  out.path = checkpoint.path().string();
  out.naming = checkpoint.naming();
  out.config = read_config(checkpoint);
  const auto known = inventory_by_name(out.config);
  for (const bool used : {true, false}) {
    for (const std::string& each : used ? checkpoint.names() : checkpoint.unused_names()) {
      const TensorView view = checkpoint.tensor(each);
      out.tensors.push_back({each, view.dtype, view.shape, view.bytes, used});
      const InspectedTensor& tensor = out.tensors.back();
      for (TensorCount* count :
           {&out.total, &out.dtypes[dtype_label(tensor)], &out.parts[part_of(each, known)]}) {
        ++count->tensors;
        count->bytes += tensor.bytes;
      }
      const auto info = known.find(each);
      if (info == known.end() || info->second.draft || info->second.storage == StorageClass::i64) continue;
      out.parameters += info->second.values();
    }
  }
  for (const TensorInfo& tensor : inventory(out.config, {.draft_layers = false})) {
    if (!checkpoint.has(tensor.name)) out.missing.push_back(tensor.name);
  }
  while (checkpoint.has(fmt::format("mtp.{}.e_proj.weight", out.mtp_blocks))) ++out.mtp_blocks;
  out.unknown = checkpoint.unknown_names();
  out.notes = checkpoint.notes();
  out.dspark = checkpoint.dspark();
  check_scales(checkpoint, options, out);
  return out;
}

}  // namespace fathom

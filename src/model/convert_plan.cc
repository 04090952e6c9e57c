#include "model/convert_plan.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/error.h"
#include "model/config_export.h"
#include "model/read_config.h"
#include "model/synthetic.h"

namespace fathom {
namespace {

constexpr std::array kDtypeNames{"f32", "f16", "bf16", "fp8", "release", "q8_0", "mxfp4"};

WeightFormat weight_format(ConvertDtype dtype) {
  switch (dtype) {
    case ConvertDtype::f32:
      return WeightFormat::f32;
    case ConvertDtype::f16:
      return WeightFormat::f16;
    case ConvertDtype::fp8:
      return WeightFormat::fp8;
    case ConvertDtype::release:
      return WeightFormat::release;
    default:
      return WeightFormat::bf16;
  }
}

ConvertDtype usual_dtype(const ModelConfig& config) {
  switch (usual_format(config)) {
    case WeightFormat::f32:
      return ConvertDtype::f32;
    case WeightFormat::f16:
      return ConvertDtype::f16;
    case WeightFormat::bf16:
      return ConvertDtype::bf16;
    default:
      return ConvertDtype::release;
  }
}

void check_dtype(ConvertDtype dtype, Naming to) {
  const bool ggml = dtype == ConvertDtype::q8_0 || dtype == ConvertDtype::mxfp4;
  if (to == Naming::gguf && dtype == ConvertDtype::fp8) {
    fail(ErrorCode::unsupported,
         "--dtype: expected f32, f16, bf16, q8_0, mxfp4 or release for gguf, found fp8");
  }
  if (to != Naming::gguf && ggml) {
    fail(ErrorCode::unsupported, "--dtype: expected f32, f16, bf16, fp8 or release for {}, found {}",
         name(to), name(dtype));
  }
}

// MTP blocks that the checkpoint has whole.
int64_t mtp_blocks(const Checkpoint& source, const ModelConfig& config) {
  int64_t blocks = 0;
  while (blocks < config.num_nextn_predict_layers &&
         source.has(fmt::format("mtp.{}.e_proj.weight", blocks)) &&
         source.has(fmt::format("mtp.{}.hc_head_fn", blocks))) {
    ++blocks;
  }
  return blocks;
}

// The config of what is written: draft layers that go along, quantisation, dtype.
ModelConfig written_config(const Checkpoint& source, const ConvertOptions& options, ConvertPlan& plan) {
  ModelConfig config = read_config(source);
  plan.dtype = options.dtype.value_or(usual_dtype(config));
  check_dtype(plan.dtype, options.to);
  const auto drafter = source.dspark();
  if (config.dspark_block_size > 0 && (!drafter || options.to != Naming::official || !options.draft_layers)) {
    if (drafter && options.draft_layers) {
      plan.notes.push_back(
          fmt::format("the DSpark drafter is left out: {} has no place for it", name(options.to)));
    }
    config.dspark_block_size = config.dspark_stages = 0;
    config.dspark_target_layer_ids.clear();
    config.num_nextn_predict_layers = 0;
  }
  if (config.dspark_block_size == 0) {
    const int64_t blocks = mtp_blocks(source, config);
    const bool keep = options.draft_layers && options.to != Naming::transformers;
    if (blocks > 0 && options.draft_layers && !keep) {
      plan.notes.emplace_back("the MTP block is left out: transformers has no place for it");
    }
    config.num_nextn_predict_layers = keep ? blocks : 0;
  }
  const bool quantised = config.quantised || !config.expert_dtype.empty();
  if (plan.dtype == ConvertDtype::release && !quantised && options.to != Naming::gguf)
    config.expert_dtype = "fp4";
  // GGUF's own types say what is quantised; the config's expert_dtype decides what `release` means there.
  if (options.to == Naming::gguf) return config;
  return config_for(std::move(config), weight_format(plan.dtype));
}

// llama.cpp's rules: vectors, mHC, ape and router F32; a row that blocks do not divide falls back to F16.
WeightStorage gguf_storage(const TensorInfo& tensor, const ConvertPlan& plan) {
  if (tensor.storage == StorageClass::i64) return {DType::I32};
  if (tensor.storage == StorageClass::f || tensor.shape.size() < 2 || tensor.part == TensorPart::router)
    return {DType::F32};
  DType dtype = DType::BF16;
  const bool quantised = tensor.storage == StorageClass::q8 || tensor.storage == StorageClass::q4;
  if (plan.dtype == ConvertDtype::f32) return {DType::F32};
  if (plan.dtype == ConvertDtype::f16) return {DType::F16};
  if (plan.dtype != ConvertDtype::bf16 && quantised) {
    const bool fp4 = plan.dtype == ConvertDtype::mxfp4 ||
                     (plan.dtype == ConvertDtype::release && plan.config.expert_dtype == "fp4");
    dtype = fp4 && tensor.part == TensorPart::experts ? DType::MXFP4 : DType::Q8_0;
    if (tensor.shape[1] % block_values(dtype) != 0) dtype = DType::F16;
  }
  return {dtype};
}

// Scales of FP8 that has F32 ones stay F32: they are not powers of two.
DType scale_dtype(const Checkpoint& source, const TensorInfo& tensor, const std::string& scale) {
  const auto& unused = source.unused_names();
  const bool there = source.has(scale) || std::binary_search(unused.begin(), unused.end(), scale);
  if (!there || source.tensor(tensor.name).dtype != DType::F8_E4M3) return DType::F8_E8M0;
  return source.tensor(scale).dtype;
}

class Planner {
 public:
  Planner(const Checkpoint& source, const ConvertOptions& options) : source_(source), options_(options) {}

  ConvertPlan run() {
    plan_.config = written_config(source_, options_, plan_);
    for (const TensorInfo& tensor : inventory(plan_.config)) add(tensor);
    if (options_.to == Naming::transformers) check_fused_scales();
    if (options_.to == Naming::gguf) note_fall_backs();
    return std::move(plan_);
  }

 private:
  void add(const TensorInfo& tensor) {
    const bool gguf = options_.to == Naming::gguf;
    const auto target = stored_name(tensor.name, options_.to, plan_.config.num_hidden_layers);
    if (!target)
      fail(ErrorCode::internal, "tensor {}: expected a name in {}", tensor.name, name(options_.to));
    const bool right_half = gguf && tensor.draft && tensor.name.ends_with(".h_proj.weight");
    if (right_half) return;  // goes with e_proj
    ConvertStep step{tensor, {}, *target, {}, {}};
    std::vector<int64_t> shape = tensor.shape, scale_shape;
    if (gguf) {
      step.storage = gguf_storage(tensor, plan_);
      if (tensor.draft && tensor.name.ends_with(".e_proj.weight")) {
        step.beside = tensor.name;
        step.beside.replace(step.beside.rfind(".e_proj"), 7, ".h_proj");
        shape.back() *= 2;
      }
    } else {
      const std::vector<StoredTensor> as = stored(tensor, weight_format(plan_.dtype));
      step.storage.dtype = as.front().dtype;
      if (as.size() > 1) {
        scale_shape = as[1].shape;
        step.storage.scale_dtype = scale_dtype(source_, tensor, as[1].name);
        step.stored_scale = stored_name(as[1].name, options_.to, plan_.config.num_hidden_layers).value();
      }
    }
    // One row for the experts of a layer each; transformers' gate and up in one.
    const bool fused = tensor.expert >= 0 && options_.to != Naming::official;
    const bool pair = fused && !gguf && !tensor.name.ends_with(".w2.weight");
    declare(step.stored, step.storage.dtype, shape, fused, pair);
    if (!step.stored_scale.empty())
      declare(step.stored_scale, step.storage.scale_dtype, scale_shape, fused, pair);
    plan_.steps.push_back(std::move(step));
  }

  void declare(const std::string& stored, DType dtype, std::vector<int64_t> shape, bool fused, bool pair) {
    if (fused) {
      if (pair) shape.front() *= 2;
      shape.insert(shape.begin(), plan_.config.n_routed_experts);
    }
    const auto [at, added] = index_.emplace(stored, plan_.declared.size());
    if (added) {
      plan_.declared.push_back({stored, dtype, std::move(shape)});
    } else if (plan_.declared[at->second].dtype != dtype) {
      bad_input("tensor {}: expected experts with one dtype to share it, found {} and {}", stored,
                name(plan_.declared[at->second].dtype), name(dtype));
    }
  }

  void note_fall_backs() {
    const ConvertStep* first = nullptr;
    int64_t count = 0;
    for (const ConvertStep& step : plan_.steps) {
      if (step.storage.dtype != DType::F16 || plan_.dtype == ConvertDtype::f16) continue;
      if (first == nullptr) first = &step;
      ++count;
    }
    if (first == nullptr) return;
    plan_.notes.push_back(fmt::format(
        "{} matrices are F16, their columns being no multiple of {}: the first is {} with {} columns", count,
        block_values(DType::Q8_0), first->tensor.name, first->tensor.shape[1]));
  }

  // gate_up_proj has one grid of scales for both: its blocks must not reach over the seam.
  void check_fused_scales() const {
    const int64_t rows = plan_.config.moe_intermediate_size;
    for (const ConvertStep& step : plan_.steps) {
      if (step.tensor.expert >= 0 && step.storage.dtype == DType::F8_E4M3 && rows % kTranscodeRows != 0) {
        bad_input(
            "tensor {}: expected rows of gate and up in multiples of {} for FP8, found {} (convert to "
            "official naming, or to bf16)",
            step.stored, kTranscodeRows, rows);
      }
    }
  }

  const Checkpoint& source_;
  const ConvertOptions& options_;
  ConvertPlan plan_{};
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace

std::optional<ConvertDtype> convert_dtype_from_name(std::string_view text) {
  const auto found = std::find(kDtypeNames.begin(), kDtypeNames.end(), text);
  if (found == kDtypeNames.end()) return std::nullopt;
  return static_cast<ConvertDtype>(found - kDtypeNames.begin());
}

std::string_view name(ConvertDtype dtype) { return kDtypeNames[static_cast<size_t>(dtype)]; }

ConvertPlan plan_conversion(const Checkpoint& source, const ConvertOptions& options) {
  return Planner(source, options).run();
}

}  // namespace fathom

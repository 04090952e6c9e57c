#include "checkpoint/adapter.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/tensor_catalog.h"
#include "checkpoint/tensor_names.h"
#include "formats/decode.h"
#include "formats/encode.h"

namespace fathom {
namespace {

constexpr std::string_view kPrefix = "base_model.model.", kWeight = ".weight";
constexpr std::string_view kPartA = ".lora_A.weight", kPartB = ".lora_B.weight";
constexpr int64_t kMaxRank = 65536, kMaxConfigBytes = int64_t{1} << 20;

std::string module_of(const std::string& official_name) {
  return official_name.substr(0, official_name.size() - kWeight.size());
}

AdapterShape shape_of(const JsonField& config, std::string& base) {
  if (const std::string kind = config.at("peft_type").text(); kind != "LORA") {
    bad_input("{}.peft_type: expected LORA, found \"{}\"", config.path(), printable(kind));
  }
  for (const char* key : {"use_dora", "fan_in_fan_out", "lora_bias"}) {
    const auto flag = config.find(key);
    if (flag && flag->boolean()) bad_input("{}: expected false, found true", flag->path());
  }
  for (const char* key : {"rank_pattern", "alpha_pattern"}) {
    const auto pattern = config.find(key);
    if (pattern && !pattern->json().empty()) pattern->refuse("no exceptions");
  }
  if (const auto bias = config.find("bias"); bias && bias->text() != "none") bias->refuse("\"none\"");
  AdapterShape shape;
  shape.rank = config.at("r").integer(1, kMaxRank);
  shape.alpha = config.at("lora_alpha").number(0, 1e9);
  const auto rslora = config.find("use_rslora");
  if (rslora && rslora->boolean()) shape.alpha *= std::sqrt(static_cast<double>(shape.rank));
  if (const auto targets = config.find("target_modules"); targets && targets->is_array()) {
    for (const JsonField& each : targets->elements(100000)) shape.targets.push_back(each.text());
  }
  if (const auto name = config.find("base_model_name_or_path")) base = name->text();
  return shape;
}

// The official name of the matrix that a stored tensor belongs to.
std::string matrix_name(std::string_view stored, std::string_view part) {
  std::string_view module = stored.substr(0, stored.size() - part.size());
  if (module.starts_with(kPrefix)) module.remove_prefix(kPrefix.size());
  const StoredName known = parse_stored_name(std::string(module) + std::string(kWeight));
  return known.form == NameForm::whole ? known.official : "";
}

// The modules of an adapter's matrices as transformers names them; none if one of them has no own.
std::vector<std::string> transformers_modules(const Adapter& adapter) {
  std::vector<std::string> modules;
  for (const AdapterMatrix& m : adapter.matrices) {
    const auto stored = stored_name(m.name, Naming::transformers, 0);
    if (!stored || parse_stored_name(*stored).form != NameForm::whole) return {};
    modules.push_back(module_of(*stored));
  }
  return modules;
}

// The base's tensors, but some of them replaced.
class MergedCheckpoint final : public Checkpoint {
 public:
  struct Replaced {
    DType dtype;
    int64_t rows, cols;
    std::vector<std::byte> bytes;
  };

  MergedCheckpoint(std::shared_ptr<const Checkpoint> base,
                   std::map<std::string, Replaced, std::less<>> replaced)
      : base_(std::move(base)), replaced_(std::move(replaced)) {
    for (const std::string& name : base_->names()) {
      const bool scale = name.ends_with(".scale") &&
                         replaced_.contains(name.substr(0, name.size() - 6) + std::string(kWeight));
      if (!scale) names_.push_back(name);
    }
  }

  const std::filesystem::path& path() const override { return base_->path(); }
  const std::string& config_json() const override { return base_->config_json(); }
  std::string tokenizer_json() const override { return base_->tokenizer_json(); }
  std::string_view naming() const override { return base_->naming(); }
  const std::vector<std::string>& names() const override { return names_; }
  const std::vector<std::string>& unused_names() const override { return base_->unused_names(); }
  const std::vector<std::string>& unknown_names() const override { return base_->unknown_names(); }
  std::optional<DsparkInfo> dspark() const override { return base_->dspark(); }
  const std::vector<std::string>& notes() const override { return base_->notes(); }
  bool has(std::string_view name) const override {
    return std::binary_search(names_.begin(), names_.end(), name);
  }
  TensorView tensor(std::string_view name) const override {
    const auto found = replaced_.find(name);
    if (found == replaced_.end()) return base_->tensor(name);
    const Replaced& r = found->second;
    TensorView view;
    view.dtype = r.dtype;
    view.shape = {r.rows, r.cols};
    view.data = r.bytes.data();
    view.bytes = static_cast<int64_t>(r.bytes.size());
    view.row_bytes = row_bytes(r.dtype, r.cols);
    view.file = base_->tensor(name).file;
    return view;
  }

 private:
  std::shared_ptr<const Checkpoint> base_;
  std::map<std::string, Replaced, std::less<>> replaced_;
  std::vector<std::string> names_;
};

}  // namespace

bool AdapterShape::wants(std::string_view official_name) const {
  const bool block = official_name.starts_with("layers.") || official_name.starts_with("mtp.");
  if (!block || !official_name.ends_with(kWeight)) return false;
  const std::string_view module = official_name.substr(0, official_name.size() - kWeight.size());
  if (module.ends_with(".e_proj") || module.ends_with(".h_proj")) return false;  // before the MTP's block
  return targets.empty() || std::ranges::any_of(targets, [&](const std::string& target) {
           return module == target || (module.ends_with(target) && module.size() > target.size() &&
                                       module[module.size() - target.size() - 1] == '.');
         });
}

Adapter read_adapter(const std::filesystem::path& folder) {
  Adapter adapter;
  const std::string config_path = (folder / "adapter_config.json").string();
  const std::string text = read_text(config_path, kMaxConfigBytes);
  const auto document = in_context(printable(config_path, 400), [&] { return parse_json(text); });
  adapter.shape = shape_of(JsonField(document, printable(config_path, 400)), adapter.base);
  const int64_t rank = adapter.shape.rank;

  const MappedFile file(folder / "adapter_model.safetensors");
  const auto tensors = read_safetensors(file);
  const std::string where = printable(file.path(), 400);
  auto values = std::make_shared<std::vector<std::vector<float>>>();
  values->reserve(tensors.size());  // the vectors stay where they are
  std::map<std::string, AdapterMatrix> matrices;
  for (const SafetensorsTensor& t : tensors) {
    const bool first = t.name.ends_with(kPartA);
    if (!first && !t.name.ends_with(kPartB)) {
      bad_input("{}: {}: expected a name that ends in lora_A.weight or lora_B.weight", where,
                printable(t.name));
    }
    const std::string name = matrix_name(t.name, first ? kPartA : kPartB);
    if (name.empty()) bad_input("{}: {}: expected a matrix of DeepSeek-V4", where, printable(t.name));
    const bool type = t.dtype == DType::F32 || t.dtype == DType::F16 || t.dtype == DType::BF16;
    if (!type || t.shape.size() != 2 || t.shape[first ? 0 : 1] != rank) {
      bad_input("{}: {}: expected an F32, F16 or BF16 matrix of rank {}, found {} {}", where,
                printable(t.name), rank, fathom::name(t.dtype), shape_text(t.shape));
    }
    WeightView view;
    view.dtype = t.dtype;
    view.rows = t.shape[0];
    view.cols = t.shape[1];
    view.row_bytes = row_bytes(t.dtype, view.cols);
    view.data = file.data() + t.offset;
    auto& out = values->emplace_back(static_cast<size_t>(view.rows * view.cols));
    for (int64_t i = 0; i < view.rows; ++i) decode_row(view, i, out.data() + i * view.cols);
    if (!std::ranges::all_of(out, [](float x) { return std::isfinite(x); })) {
      bad_input("{}: {}: expected finite values, found another", where, printable(t.name));
    }
    AdapterMatrix& m = matrices[name];
    const float*& part = first ? m.a : m.b;
    if (part != nullptr) bad_input("{}: {}: expected it once, found it twice", where, printable(t.name));
    part = out.data();
    (first ? m.cols : m.rows) = first ? view.cols : view.rows;
  }
  for (auto& [name, m] : matrices) {
    if (m.a == nullptr || m.b == nullptr) {
      bad_input("{}: {}: expected lora_A and lora_B, found one of them", where, name);
    }
    m.name = name;
    adapter.matrices.push_back(m);
  }
  if (adapter.matrices.empty()) bad_input("{}: expected an adapter's matrices, found none", where);
  adapter.owner = values;
  return adapter;
}

void write_adapter(const std::filesystem::path& folder, const Adapter& adapter, Naming naming) {
  const int64_t rank = adapter.shape.rank;
  std::vector<TensorDeclaration> tensors;
  std::vector<std::string> modules, targets = adapter.shape.targets;
  if (naming == Naming::transformers) modules = targets = transformers_modules(adapter);
  if (modules.empty()) {
    std::set<std::string> last;  // without layer and expert
    for (const AdapterMatrix& m : adapter.matrices) {
      const std::string& module = modules.emplace_back(module_of(m.name));
      last.insert(module.substr(module.rfind('.') + 1));
    }
    targets = adapter.shape.targets;
    if (targets.empty()) targets.assign(last.begin(), last.end());
  }
  const auto part = [&](size_t i, std::string_view of) {
    return std::string(kPrefix) + modules[i] + std::string(of);
  };
  for (size_t i = 0; i < modules.size(); ++i) {
    const AdapterMatrix& m = adapter.matrices[i];
    tensors.push_back({part(i, kPartA), DType::F32, {rank, m.cols}});
    tensors.push_back({part(i, kPartB), DType::F32, {m.rows, rank}});
  }
  SafetensorsOptions options;
  options.max_shard_bytes = int64_t{1} << 60;
  options.stem = "adapter_model";
  SafetensorsWriter writer(folder, tensors, options);
  for (size_t i = 0; i < modules.size(); ++i) {
    const AdapterMatrix& m = adapter.matrices[i];
    writer.append(part(i, kPartA), m.a, rank * m.cols * 4);
    writer.append(part(i, kPartB), m.b, rank * m.rows * 4);
  }
  const nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                         {"task_type", "CAUSAL_LM"},
                                         {"base_model_name_or_path", adapter.base},
                                         {"r", rank},
                                         {"lora_alpha", adapter.shape.alpha},
                                         {"lora_dropout", 0.0},
                                         {"target_modules", targets},
                                         {"bias", "none"},
                                         {"fan_in_fan_out", false},
                                         {"use_rslora", false},
                                         {"use_dora", false},
                                         {"inference_mode", true}};
  write_atomically(folder / "adapter_config.json", config.dump(2) + "\n");
  writer.finish();
}

void add_low_rank(const AdapterMatrix& matrix, int64_t rank, float scale, int64_t i, float* row) {
  for (int64_t k = 0; k < rank; ++k) {
    const float factor = scale * matrix.b[i * rank + k];
    const float* a = matrix.a + k * matrix.cols;
    for (int64_t j = 0; j < matrix.cols; ++j) row[j] += factor * a[j];
  }
}

std::shared_ptr<const Checkpoint> merge_adapter(std::shared_ptr<const Checkpoint> base,
                                                const Adapter& adapter, ThreadPool& pool) {
  std::map<std::string, MergedCheckpoint::Replaced, std::less<>> replaced;
  for (const AdapterMatrix& m : adapter.matrices) {
    if (!base->has(m.name)) {
      bad_input("{}: {}: expected the adapter's matrix in the model, found none",
                printable(base->path().string(), 400), m.name);
    }
    const WeightView w = base->matrix(m.name, m.rows, m.cols);
    MergedCheckpoint::Replaced r;
    r.dtype = w.dtype == DType::F32 ? DType::F32 : DType::BF16;
    r.rows = m.rows;
    r.cols = m.cols;
    const int64_t bytes = row_bytes(r.dtype, m.cols);
    r.bytes.resize(static_cast<size_t>(m.rows * bytes));
    pool.parallel_for(m.rows, 16, [&](int64_t begin, int64_t end) {
      std::vector<float> row(static_cast<size_t>(m.cols));
      for (int64_t i = begin; i < end; ++i) {
        decode_row(w, i, row.data());
        add_low_rank(m, adapter.shape.rank, adapter.shape.scale(), i, row.data());
        in_context(m.name, [&] { encode_row(r.dtype, row.data(), m.cols, r.bytes.data() + i * bytes); });
      }
    });
    replaced.emplace(m.name, std::move(r));
  }
  return std::make_shared<MergedCheckpoint>(std::move(base), std::move(replaced));
}

}  // namespace fathom

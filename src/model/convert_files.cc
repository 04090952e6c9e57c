#include "model/convert_files.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/gguf_vocabulary.h"
#include "model/config_export.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxCompanionBytes = int64_t{256} << 20;
// Beside the weights of the releases. The last two decide how prompts are encoded.
constexpr const char* kCompanions[] = {"generation_config.json",   "tokenizer.json", "tokenizer_config.json",
                                       "special_tokens_map.json",  "LICENSE",        "chat_template.jinja",
                                       "encoding/encoding_dsv4.py"};

std::string dump(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

nlohmann::ordered_json eos_json(const ModelConfig& config) {
  if (config.eos_token_ids.size() == 1) return config.eos_token_ids.front();
  return config.eos_token_ids;
}

std::string default_tokenizer_config(const ModelConfig& config) {
  return dump({{"tokenizer_class", "PreTrainedTokenizerFast"},
               {"add_bos_token", false},
               {"add_eos_token", false},
               {"bos_token", "<｜begin▁of▁sentence｜>"},
               {"eos_token", "<｜end▁of▁sentence｜>"},
               {"pad_token", "<｜▁pad▁｜>"},
               {"unk_token", nullptr},
               {"model_max_length", config.max_position_embeddings},
               {"clean_up_tokenization_spaces", false}});
}

// general.file_type as llama.cpp numbers it.
uint32_t gguf_file_type(ConvertDtype dtype, const ModelConfig& config) {
  constexpr uint32_t kF32 = 0, kF16 = 1, kQ8 = 7, kBf16 = 32, kMxfp4Moe = 38;
  switch (dtype) {
    case ConvertDtype::f32:
      return kF32;
    case ConvertDtype::f16:
      return kF16;
    case ConvertDtype::bf16:
      return kBf16;
    case ConvertDtype::mxfp4:
      return kMxfp4Moe;
    default:
      return dtype == ConvertDtype::release && config.expert_dtype == "fp4" ? kMxfp4Moe : kQ8;
  }
}

}  // namespace

NewFiles::NewFiles(fs::path folder, bool force) : folder_(std::move(folder)), made_(folder_) {
  if (force) return;
  std::error_code error;
  const fs::directory_iterator entries(folder_, error);  // none where there is no folder yet
  if (!error && entries != fs::directory_iterator()) {
    bad_input("{}: expected a new or an empty folder, found {} (--force replaces files)",
              printable(folder_.string(), 400), printable(entries->path().filename().string()));
  }
}

NewFiles::~NewFiles() {
  if (kept_) return;
  std::error_code ignored;
  for (auto path = to_remove_.rbegin(); path != to_remove_.rend(); ++path) fs::remove(*path, ignored);
  for (const auto& [path, bytes] : replaced_) {
    try {
      write_atomically(path, bytes);
    } catch (const Error&) {
      continue;  // the first failure is the one to report
    }
  }
}

void NewFiles::write(const std::string& name, const std::string& bytes) {
  const fs::path path = folder_ / name;
  std::error_code error;
  if (path.parent_path() != folder_ && fs::create_directory(path.parent_path(), error)) {
    to_remove_.push_back(path.parent_path());
  }
  if (fs::exists(path, error)) {
    std::string old = read_text(path, kMaxCompanionBytes);
    write_atomically(path, bytes);
    replaced_.emplace_back(path, std::move(old));
  } else {
    write_atomically(path, bytes);
    to_remove_.push_back(path);
  }
  names_.push_back(name);
}

std::vector<std::string> NewFiles::keep() {
  kept_ = true;
  made_.keep();
  return names_;
}

void write_companions(const Checkpoint& source, const ModelConfig& config, NewFiles& files) {
  std::error_code error;
  const fs::path& path = source.path();
  const bool gguf = source.naming() == name(Naming::gguf);
  const fs::path home = fs::is_directory(path, error) ? path : path.parent_path();
  bool generation = false, tokenizer = false;
  for (const char* name : kCompanions) {
    if (gguf || !fs::is_regular_file(home / name, error)) continue;
    files.write(name, read_text(home / name, kMaxCompanionBytes));
    generation = generation || name == std::string_view("generation_config.json");
    tokenizer = tokenizer || name == std::string_view("tokenizer.json");
  }
  if (!generation) {
    files.write("generation_config.json", dump({{"_from_model_config", true},
                                                {"bos_token_id", config.bos_token_id},
                                                {"eos_token_id", eos_json(config)}}));
  }
  if (tokenizer) return;
  const std::string text = source.tokenizer_json();
  if (text.empty()) return;
  files.write("tokenizer.json", text);
  files.write("tokenizer_config.json", default_tokenizer_config(config));
}

GgufKeyValues gguf_metadata(const Checkpoint& source, const fs::path& out, const ConvertPlan& plan,
                            std::vector<std::string>& notes) {
  const ModelConfig& config = plan.config;
  GgufKeyValues metadata;
  metadata.add("general.architecture", std::string_view("deepseek4"));
  metadata.add("general.name", std::string_view(out.stem().string()));
  metadata.add("general.quantization_version", uint32_t{2});
  metadata.add("general.file_type", gguf_file_type(plan.dtype, config));
  add_gguf_config(metadata, config);
  const std::string tokenizer = source.tokenizer_json();
  if (tokenizer.empty()) {
    notes.emplace_back("the source has no tokenizer.json: llama.cpp needs one in the file");
  } else if (!in_context("tokenizer.json", [&] {
               return add_gguf_vocabulary(metadata, tokenizer, config.vocab_size, config.bos_token_id,
                                          config.eos_token_ids.empty() ? 1 : config.eos_token_ids.front());
             })) {
    notes.emplace_back(
        "the tokenizer's splits are not joyai-llm's: llama.cpp will cut some texts otherwise (fathom reads "
        "the tokenizer.json in the file)");
  }
  if (!llama_cpp_knows_ratios(config)) {
    notes.emplace_back(
        "llama.cpp accepts the compression ratios 0, 4 and 128 alone and will refuse the file");
  }
  if (config.num_nextn_predict_layers > 0) {
    notes.emplace_back(
        "the MTP block's own hc_head is written as nextn.hc_head_*: llama.cpp has no place for it (leave the "
        "block out with --no-mtp if it refuses the file)");
  }
  return metadata;
}

}  // namespace fathom

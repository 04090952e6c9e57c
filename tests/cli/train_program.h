#pragma once
/// Tiny training runs as a user starts them.

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace fathom::test {

namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::temp_directory_path() / ("fathom_train_cli_test_" + std::to_string(getpid()));
  Folder() { fs::remove_all(path), fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

inline std::string story() {
  std::string text;
  for (int i = 0; i < 150; ++i) {
    text += "A fox and " + std::to_string(i % 12) + " hens went to the hill. The fox was not hungry.\n\n";
  }
  return text;
}

// The micro recipe made tiny; without data, `more` says where it comes from.
inline std::vector<std::string> arguments(const std::string& data, const std::string& out,
                                          std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"train", "recipes/micro.json", "--out", out};
  if (!data.empty()) args.insert(args.end(), {"--data", data});
  for (const char* set : {"model.hidden_size=32",
                          "model.num_attention_heads=2",
                          "model.head_dim=32",
                          "model.qk_rope_head_dim=8",
                          "model.q_lora_rank=16",
                          "model.o_lora_rank=16",
                          "model.moe_intermediate_size=16",
                          "model.n_routed_experts=4",
                          "model.index_head_dim=16",
                          "model.index_topk=4",
                          "stages.0.steps=4",
                          "stages.0.warmup=2",
                          "stages.0.row=64",
                          "stages.0.batch=128",
                          "stages.1.steps=6",
                          "stages.1.row=64",
                          "stages.1.batch=128",
                          "checkpoint_every=3",
                          "document_tokens=128",
                          "validation_tokens=256"}) {
    args.insert(args.end(), {"--set", set});
  }
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

inline std::vector<std::string> curve(const std::string& folder) {
  std::vector<std::string> out;
  std::ifstream in(folder + "/log.jsonl");
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.contains("loss"))
      out.push_back(json["step"].dump() + " " + json["loss"].dump() + " " + json["norm"].dump());
  }
  return out;
}

inline std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace fathom::test

// GGUF files made here from golden checkpoints open to the same tensors, config and tokenizer; malformed ones
// give one Error that names the file and the key or tensor.
#include "checkpoint/gguf.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "tests/support/model_file_builder.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

using nlohmann::json;
using test::GgufBuilder;
using test::little_endian;
using test::TempFolder;
using test::TensorFile;

void replace(std::string& text, std::string_view from, const std::string& to) {
  if (const size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

/// GGUF leaf of each official leaf, from the table of names in the architecture's text.
std::map<std::string, std::string> gguf_leaves() {
  std::ifstream in(FATHOM_SOURCE_DIR "/tests/checkpoint/tensor_names.tsv");
  std::map<std::string, std::string> out;
  std::string line;
  while (std::getline(in, line)) {
    const std::string official = line.substr(0, line.find('\t')), gguf = line.substr(line.rfind('\t') + 1);
    out[official] = gguf;
  }
  return out;
}

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

/// The metadata of a golden config.json, under the keys of the architecture's text.
GgufBuilder metadata_of(const json& config) {
  GgufBuilder out;
  const auto u = [&](const char* key, const char* field) {
    out.set("deepseek4." + std::string(key), config.at(field).get<uint32_t>());
  };
  const auto f = [&](const char* key, const json& value) {
    out.set("deepseek4." + std::string(key), value.get<float>());
  };
  const uint32_t layers = config.at("num_hidden_layers"), drafts = config.at("num_nextn_predict_layers");
  out.set("general.architecture", "deepseek4").set("general.alignment", uint32_t{32});
  out.set("deepseek4.block_count", layers + drafts);
  if (drafts > 0) out.set("deepseek4.nextn_predict_layers", drafts);
  u("context_length", "max_position_embeddings");
  u("embedding_length", "hidden_size");
  u("vocab_size", "vocab_size");
  u("attention.head_count", "num_attention_heads");
  u("attention.head_count_kv", "num_key_value_heads");
  u("attention.key_length", "head_dim");
  u("attention.value_length", "head_dim");
  u("attention.q_lora_rank", "q_lora_rank");
  u("attention.sliding_window", "sliding_window");
  u("attention.indexer.head_count", "index_n_heads");
  u("attention.indexer.key_length", "index_head_dim");
  u("attention.indexer.top_k", "index_topk");
  u("attention.output_group_count", "o_groups");
  u("attention.output_lora_rank", "o_lora_rank");
  out.set("deepseek4.attention.compress_ratios", config.at("compress_ratios").get<std::vector<uint32_t>>());
  f("attention.compress_rope_freq_base", config.at("compress_rope_theta"));
  f("attention.layer_norm_rms_epsilon", config.at("rms_norm_eps"));
  u("hyper_connection.count", "hc_mult");
  u("hyper_connection.sinkhorn_iterations", "hc_sinkhorn_iters");
  f("hyper_connection.epsilon", config.at("hc_eps"));
  u("hash_layer_count", "num_hash_layers");
  u("expert_count", "n_routed_experts");
  u("expert_used_count", "num_experts_per_tok");
  u("expert_shared_count", "n_shared_experts");
  u("expert_feed_forward_length", "moe_intermediate_size");
  f("expert_weights_scale", config.at("routed_scaling_factor"));
  out.set("deepseek4.expert_weights_norm", true).set("deepseek4.expert_gating_func", uint32_t{4});
  out.set("deepseek4.swiglu_clamp_exp", std::vector<float>(layers, config.at("swiglu_limit").get<float>()));
  u("rope.dimension_count", "qk_rope_head_dim");
  f("rope.freq_base", config.at("rope_theta"));
  if (config.contains("rope_scaling") && config["rope_scaling"].is_object()) {
    const json& rope = config["rope_scaling"];
    out.set("deepseek4.rope.scaling.type", "yarn");
    f("rope.scaling.factor", rope.at("factor"));
    f("rope.scaling.yarn_beta_fast", rope.at("beta_fast"));
    f("rope.scaling.yarn_beta_slow", rope.at("beta_slow"));
    out.set("deepseek4.rope.scaling.original_context_length",
            rope.at("original_max_position_embeddings").get<uint32_t>());
  }
  return out;
}

/// Adds all tensors of a golden F32 file: experts stacked, e_proj and h_proj side by side, tid2eid as I32.
void add_tensors(GgufBuilder& out, const TensorFile& file, const json& config, bool draft_head) {
  const auto leaves = gguf_leaves();
  const int64_t layers = config.at("num_hidden_layers"), experts = config.at("n_routed_experts");
  for (const std::string& name : file.names()) {
    std::string generic = name;
    std::string block;
    if (name.starts_with("layers.")) {
      block = name.substr(7, name.find('.', 7) - 7);
      generic = "layers.L" + name.substr(7 + block.size());
    } else if (name.starts_with("mtp.0.")) {
      block = std::to_string(layers);
      if (!leaves.contains(name)) generic = "layers.L." + name.substr(6);
    }
    auto shape = file.shape(name);
    std::string data = text_of(file.bytes(name));
    if (generic.find(".experts.") != std::string::npos) {
      if (generic.find(".experts.0.") == std::string::npos) continue;
      replace(generic, ".experts.0.", ".experts.e.");
      for (int64_t e = 1; e < experts; ++e) {
        std::string other = name;
        replace(other, ".experts.0.", ".experts." + std::to_string(e) + ".");
        data += text_of(file.bytes(other));
      }
      shape.insert(shape.begin(), experts);
    }
    if (generic == "mtp.0.h_proj.weight" || (!draft_head && generic.starts_with("mtp.0.hc_head"))) continue;
    if (generic == "mtp.0.e_proj.weight") {
      const std::string right = text_of(file.bytes("mtp.0.h_proj.weight")), left = std::exchange(data, "");
      const size_t row = static_cast<size_t>(shape[1]) * 4;
      for (size_t i = 0; i < left.size(); i += row) data += left.substr(i, row) + right.substr(i, row);
      shape[1] *= 2;
    }
    std::string stored = leaves.at(generic);
    replace(stored, ".L.", "." + block + ".");
    replace(stored, ".N.", "." + block + ".");
    out.tensor(stored, file.dtype(name) == "I32" ? 26 : 0, shape, data);
  }
}

std::string rows_of(const TensorView& view) {
  const int64_t cols = view.shape.back(), rows = view.bytes / (4 * cols);
  std::string out;
  for (int64_t i = 0; i < rows; ++i) {
    out.append(reinterpret_cast<const char*>(view.data + i * view.row_bytes), static_cast<size_t>(cols) * 4);
  }
  return out;
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() != ErrorCode::internal);
    return e.message();
  }
  return "no error";
}

void check_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    CAPTURE(message);
    CAPTURE(part);
    CHECK(message.find(part) != std::string::npos);
  }
}

TEST_CASE("golden models as GGUF: same tensors, same config") {
  for (const char* name :
       {"a_swa", "b_csa", "c_hca", "d_mix", "e_yarn", "f_real_ratios", "g_pro", "h_mtp", "i_csa_m6"}) {
    CAPTURE(name);
    const auto folder = test::golden("fp32") / name;
    const json config = test::read_json(folder / "config.json");
    const TensorFile file = TensorFile::open(folder / "model.safetensors");
    for (const bool draft_head : {true, false}) {
      GgufBuilder builder = metadata_of(config);
      add_tensors(builder, file, config, draft_head);
      const TempFolder temp;
      const auto open = Checkpoint::open(temp.write("m.gguf", builder.bytes(draft_head ? 3 : 2)));
      CHECK(open->naming() == "gguf");
      CHECK(open->unknown_names().empty());
      const bool mtp = file.has("mtp.0.e_proj.weight");
      CHECK(open->has("mtp.0.e_proj.weight") == (mtp && draft_head));
      CHECK(open->notes().size() == (mtp && !draft_head ? 1 : 0));
      size_t expected = 0;
      for (const std::string& tensor : file.names()) {
        if (tensor.starts_with("mtp.") && !draft_head) continue;
        CAPTURE(tensor);
        ++expected;
        REQUIRE(open->has(tensor));
        const TensorView view = open->tensor(tensor);
        CHECK(view.shape == file.shape(tensor));
        CHECK(rows_of(view) == text_of(file.bytes(tensor)));
        CHECK(view.bytes == static_cast<int64_t>(file.bytes(tensor).size()));
      }
      CHECK(open->names().size() == expected);
      if (mtp && draft_head) {
        const int64_t d = config.at("hidden_size");
        CHECK(open->matrix("mtp.0.h_proj.weight", d, d).row_bytes == 8 * d);
      }
      const json made = json::parse(open->config_json());
      for (const auto& [field, value] : made.items()) {
        CAPTURE(field);
        CHECK(config.value(field, json()) == value);
      }
      for (const auto& [field, value] : config.items()) {
        CAPTURE(field);
        // What GGUF has no word for and the model does not read.
        if (std::string("hidden_act attention_dropout initializer_range use_cache compress_rates layer_types "
                        "pad_token_id rope_scaling transformers_version")
                .find(field) == std::string::npos) {
          CHECK(made.contains(field));
        }
      }
      CHECK(made.contains("layer_types") == (std::string(name) == "i_csa_m6"));
      CHECK(made.contains("rope_scaling") ==
            (config.contains("rope_scaling") && !config["rope_scaling"].is_null()));
    }
  }
}

TEST_CASE("block formats: stacked experts and halves of eh_proj") {
  GgufBuilder builder = metadata_of(test::read_json(test::golden("fp32/h_mtp/config.json")));
  std::string q8(2 * 3 * 34, '\0');
  for (size_t i = 0; i < q8.size(); ++i) q8[i] = static_cast<char>(i);
  builder.tensor("blk.0.ffn_up_exps.weight", 8, {2, 3, 32}, q8);
  builder.tensor("blk.3.nextn.eh_proj.weight", 8, {3, 64}, q8);
  builder.tensor("token_embd.weight", 30, {2, 3}, std::string(12, 'x'));
  const TempFolder temp;
  const auto open = Checkpoint::open(temp.write("m.gguf", builder.bytes()));
  const WeightView expert = open->matrix("layers.0.ffn.experts.1.w3.weight", 3, 32);
  CHECK(expert.dtype == DType::Q8_0);
  CHECK(std::memcmp(expert.data, q8.data() + 3 * 34, 3 * 34) == 0);
  // Without hc_head the block is set aside, and still to be seen.
  CHECK(!open->has("mtp.0.h_proj.weight"));
  const WeightView half = open->matrix("mtp.0.h_proj.weight", 3, 32);
  CHECK(half.row_bytes == 68);
  CHECK(std::memcmp(half.data, q8.data() + 34, 34) == 0);
  builder.tensor("blk.4.nextn.eh_proj.weight", 8, {3, 32}, std::string(3 * 34, 'x'));
  check_says(message_of([&] { Checkpoint::open(temp.write("m.gguf", builder.bytes())); }),
             {"m.gguf", "blk.4.nextn.eh_proj.weight", "shape", "[3, 32]"});
}

TEST_CASE("tokenizer.json from the metadata is the original one") {
  json original = test::read_json(test::golden("tokenizer/tiny.json"));
  original["model"].erase("ignore_merges");  // false, its default; the published file leaves it out
  GgufBuilder builder = metadata_of(test::read_json(test::golden("fp32/a_swa/config.json")));
  const GgufBuilder bare = builder;
  std::map<int, std::pair<std::string, int32_t>> tokens;
  for (const auto& [token, id] : original["model"]["vocab"].items()) tokens[id] = {token, 1};
  for (const json& token : original["added_tokens"])
    tokens[token["id"]] = {token["content"], token["special"] ? 3 : 4};
  std::vector<std::string> texts, merges = original["model"]["merges"];
  std::vector<int32_t> types;
  for (const auto& [id, token] : tokens) {
    REQUIRE(id == static_cast<int>(texts.size()));
    texts.push_back(token.first);
    types.push_back(token.second);
  }
  const auto with = [&](const char* model, const char* pre) {
    GgufBuilder out = bare;
    out.set("tokenizer.ggml.model", model).set("tokenizer.ggml.pre", pre).set("tokenizer.ggml.tokens", texts);
    return out.set("tokenizer.ggml.token_type", types).set("tokenizer.ggml.merges", merges);
  };
  const TempFolder temp;
  const auto made = [&](const GgufBuilder& file) {
    return Checkpoint::open(temp.write("m.gguf", file.bytes()))->tokenizer_json();
  };
  CHECK(json::diff(original, json::parse(made(with("gpt2", "joyai-llm")))) == json::array());
  CHECK(json::diff(original, json::parse(made(with("gpt2", "deepseek-v3")))) == json::array());
  CHECK(made(bare).empty());
  CHECK(made(GgufBuilder(bare).set("tokenizer.huggingface.json", "{\"a\": 1}")) == "{\"a\": 1}");
  check_says(message_of([&] { made(with("llama", "joyai-llm")); }),
             {"m.gguf", "tokenizer.ggml.model", "llama"});
  check_says(message_of([&] { made(with("gpt2", "qwen2")); }), {"m.gguf", "tokenizer.ggml.pre", "qwen2"});
  types.pop_back();
  check_says(message_of([&] { made(with("gpt2", "joyai-llm")); }), {"m.gguf", "tokenizer.ggml.token_type"});
  types.push_back(1);
  texts.back() = texts.front();
  check_says(message_of([&] { made(with("gpt2", "joyai-llm")); }),
             {"m.gguf", "tokenizer.ggml.tokens", "twice"});
  texts.back() = "\xff";
  check_says(message_of([&] { made(with("gpt2", "joyai-llm")); }),
             {"tokenizer.ggml.tokens", "UTF-8", "\\xff"});
}

TEST_CASE("drafter files are reported, other architectures and parts of split files refused") {
  const TempFolder temp;
  GgufBuilder drafter;
  drafter.set("general.architecture", "dflash").set("dflash.block_count", uint32_t{3});
  drafter.tensor("fc.weight", 0, {2}, "abcdefgh");
  const auto open = Checkpoint::open(temp.write("m.gguf", drafter.bytes()));
  CHECK(open->names().empty());
  REQUIRE(open->dspark());
  CHECK(open->dspark()->stages == 3);
  CHECK(open->dspark()->bytes == 8);
  CHECK(open->notes().size() == 1);
  const auto refused = [&](GgufBuilder file) {
    return message_of([&] { Checkpoint::open(temp.write("m.gguf", file.bytes())); });
  };
  check_says(refused(GgufBuilder().set("general.architecture", "llama")),
             {"m.gguf", "general.architecture", "llama"});
  check_says(refused(GgufBuilder().set("general.architecture", uint32_t{1})),
             {"general.architecture", "string"});
  check_says(refused(GgufBuilder()), {"general.architecture", "nothing"});
  check_says(refused(GgufBuilder().set("general.architecture", "deepseek4")),
             {"deepseek4.block_count", "nothing"});
  check_says(refused(GgufBuilder().set("general.architecture", "deepseek4").set("split.count", uint32_t{3})),
             {"split.count", "3"});
}

TEST_CASE("metadata that says what the model cannot be") {
  json config = test::read_json(test::golden("fp32/h_mtp/config.json"));
  const auto message = [](const GgufBuilder& file) {
    const TempFolder temp;
    return message_of([&] { Checkpoint::open(temp.write("m.gguf", file.bytes())); });
  };
  CHECK(message(metadata_of(config)) == "no error");
  // A later entry would be a duplicate, so each case is a file in which one field is another.
  const auto changed = [&](std::string key, uint32_t type, const std::string& value) {
    std::string bytes = metadata_of(config).bytes();
    const std::string head = GgufBuilder::text("deepseek4." + key);
    const size_t at = bytes.find(head);
    REQUIRE(at != std::string::npos);
    const std::string entry = head + little_endian(type) + value;
    bytes.replace(at, entry.size(), entry);
    const TempFolder temp;
    return message_of([&] { Checkpoint::open(temp.write("m.gguf", bytes)); });
  };
  check_says(changed("expert_gating_func", 4, little_endian<uint32_t>(2)),
             {"deepseek4.expert_gating_func", "found 2"});
  check_says(changed("block_count", 4, little_endian<uint32_t>(9)), {"compress_ratios", "8"});
  check_says(changed("block_count", 4, little_endian<uint32_t>(4'000'000'000)),
             {"block_count", "4000000000"});
  check_says(changed("nextn_predict_layers", 4, little_endian<uint32_t>(7)), {"nextn_predict_layers", "7"});
  check_says(changed("hyper_connection.epsilon", 6, little_endian(std::numeric_limits<float>::quiet_NaN())),
             {"hyper_connection.epsilon", "NaN"});
  check_says(changed("embedding_length", 6, little_endian(1.5f)), {"embedding_length", "integer"});
  config["rope_scaling"] = nullptr;
  GgufBuilder linear = metadata_of(config);
  check_says(message(linear.set("deepseek4.rope.scaling.type", "linear")), {"rope.scaling.type", "linear"});
}

TEST_CASE("malformed files") {
  const auto le64 = [](uint64_t v) { return little_endian(v); };
  const auto le32 = [](uint32_t v) { return little_endian(v); };
  const auto head = [&](uint64_t tensors, uint64_t entries) {
    return "GGUF" + le32(3) + le64(tensors) + le64(entries);
  };
  const auto pad = [](std::string s) { return s + std::string(64, '\0'); };
  const auto info = [&](uint32_t dims, std::vector<uint64_t> shape, uint32_t type, uint64_t offset) {
    std::string out = GgufBuilder::text("t") + le32(dims);
    for (const uint64_t dim : shape) out += le64(dim);
    return GgufBuilder().raw_tensor(out + le32(type) + le64(offset)).add_data(std::string(64, 'x')).bytes();
  };
  std::string nested;
  for (int i = 0; i < 6; ++i) nested += le32(9) + le64(1);
  const std::string k = GgufBuilder::text("k");
  struct Case {
    const char* label;
    std::string bytes;
    std::vector<std::string> says;
  };
  const std::vector<Case> cases{
      {"empty", "", {"magic"}},
      {"other magic", "GGML" + std::string(30, '\0'), {"magic"}},
      {"version 1", "GGUF" + le32(1) + std::string(30, '\0'), {"version", "found 1"}},
      {"big endian", "GGUF" + le32(0x03000000) + std::string(30, '\0'), {"version", "big endian"}},
      {"tensors beyond the file", pad(head(1'000'000, 0)), {"tensor count", "1000000"}},
      {"tensors beyond memory", pad(head(~uint64_t{0}, 0)), {"tensor count"}},
      {"entries beyond the file", pad(head(0, 1'000'000)), {"metadata count"}},
      {"key too long", pad(head(0, 1) + le64(70'000)), {"metadata 0", "key"}},
      {"key beyond the file", pad(head(0, 1) + le64(1000)), {"metadata 0", "key"}},
      {"unknown type", pad(head(0, 1) + k + le32(13)), {"k: type", "13"}},
      {"string beyond the file", pad(head(0, 1) + k + le32(8) + le64(~uint64_t{0})), {"k: string"}},
      {"array beyond the file",
       pad(head(0, 1) + k + le32(9) + le32(4) + le64(1000)),
       {"k: array length", "1000"}},
      {"array beyond memory",
       pad(head(0, 1) + k + le32(9) + le32(8) + le64(uint64_t{1} << 61)),
       {"k: array length"}},
      {"arrays too deep", pad(head(0, 1) + k + le32(9) + nested), {"k: array", "levels"}},
      {"key twice", GgufBuilder().set("k", uint32_t{1}).set("k", uint32_t{1}).bytes(), {"k", "twice"}},
      {"alignment 0",
       GgufBuilder().set("general.alignment", uint32_t{0}).bytes(),
       {"general.alignment", "found 0"}},
      {"alignment 48",
       GgufBuilder().set("general.alignment", uint32_t{48}).bytes(),
       {"general.alignment", "48"}},
      {"alignment is text",
       GgufBuilder().set("general.alignment", "x").bytes(),
       {"general.alignment", "integer"}},
      {"no dimensions", info(0, {}, 0, 0), {"tensor t", "dimensions"}},
      {"five dimensions", info(5, {1, 1, 1, 1, 1}, 0, 0), {"tensor t", "dimensions", "5"}},
      {"size 0", info(1, {0}, 0, 0), {"tensor t", "shape", "found 0"}},
      {"size beyond int64", info(1, {uint64_t{1} << 63}, 0, 0), {"tensor t", "shape"}},
      {"sizes overflow",
       info(2, {uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0),
       {"tensor t", "shape", "2^63"}},
      {"unknown tensor type", info(1, {256}, 14, 0), {"tensor t", "type", "14"}},
      {"broken block", info(1, {33}, 8, 0), {"tensor t", "blocks of 32", "33"}},
      {"offset beyond the file", info(1, {4}, 0, 96), {"tensor t", "offset", "96"}},
      {"offset beyond int64", info(1, {4}, 0, uint64_t{1} << 63), {"tensor t", "offset"}},
      {"data beyond the file", info(1, {17}, 0, 0), {"tensor t", "68 bytes"}},
      {"unaligned offset", info(1, {4}, 0, 4), {"tensor t", "offset", "multiple of 32"}},
      {"overlap",
       GgufBuilder()
           .raw_tensor(GgufBuilder::text("a") + le32(1) + le64(12) + le32(0) + le64(0))
           .raw_tensor(GgufBuilder::text("b") + le32(1) + le64(4) + le32(0) + le64(32))
           .add_data(std::string(64, 'x'))
           .bytes(),
       {"tensor b", "overlap"}},
      {"tensor twice",
       GgufBuilder().tensor("a", 0, {1}, "abcd").tensor("a", 0, {1}, "abcd").bytes(),
       {"tensor a", "twice"}},
  };
  const TempFolder temp;
  for (const Case& c : cases) {
    CAPTURE(c.label);
    const auto path = temp.write("m.gguf", c.bytes);
    const std::string message = message_of([&] { read_gguf(MappedFile(path)); });
    check_says(message, c.says);
    check_says(message, {path.string(), "expected"});
  }
}

TEST_CASE("cut at every byte, and with random bytes changed") {
  GgufBuilder builder = metadata_of(test::read_json(test::golden("fp32/h_mtp/config.json")));
  builder.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.pre", "joyai-llm");
  builder.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "ab"});
  builder.set("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
  builder.tensor("token_embd.weight", 0, {3, 2}, std::string(24, 'x'));
  builder.tensor("blk.0.ffn_up_exps.weight", 8, {2, 1, 32}, std::string(68, 'x'));
  const std::string whole = builder.bytes();
  const TempFolder temp;
  const auto open = [&](const std::string& bytes) {
    const auto path = temp.write("m.gguf", bytes);
    return message_of([&] {
      const auto checkpoint = Checkpoint::open(path);
      const std::string tokenizer = checkpoint->tokenizer_json();
      if (!tokenizer.empty()) CHECK(json::accept(tokenizer));
      for (const std::string& name : checkpoint->names()) CHECK(checkpoint->tensor(name).bytes > 0);
    });
  };
  CHECK(open(whole) == "no error");
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    check_says(open(whole.substr(0, length)), {"m.gguf", "expected"});
  }
  std::mt19937 random(1);
  int good = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = whole;
    for (int n = 0; n < 3; ++n) changed[random() % changed.size()] = static_cast<char>(random());
    const std::string message = open(changed);
    if (message == "no error") {
      ++good;
    } else {
      check_says(message, {"expected"});
    }
  }
  CHECK(good < 3000);
}

}  // namespace
}  // namespace fathom

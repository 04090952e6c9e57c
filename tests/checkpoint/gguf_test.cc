// GGUF files made here from golden checkpoints open to the same tensors, config and tokenizer.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/gguf_cases.h"
#include "tests/support/model_file_builder.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

using nlohmann::json;
using test::check_says;
using test::GgufBuilder;
using test::little_endian;
using test::message_of;
using test::metadata_of;
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

TEST_CASE("drafter files are reported, other architectures refused") {
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
}

TEST_CASE("a model in several files opens from any of them; what is missing or foreign is named") {
  const auto part = [](GgufBuilder out, uint32_t number, uint32_t count) {
    return out.set("split.no", number - 1).set("split.count", count);
  };
  const GgufBuilder metadata = metadata_of(test::read_json(test::golden("fp32/h_mtp/config.json")));
  GgufBuilder first = part(metadata, 1, 3), second = part({}, 2, 3), third = part({}, 3, 3);
  first.raw("split.tensors.count", GgufBuilder::kI32, little_endian(int32_t{3}));
  first.tensor("token_embd.weight", 0, {1, 3}, "aaaabbbbcccc");
  second.tensor("output_norm.weight", 0, {2}, "ddddeeee");
  third.tensor("output.weight", 0, {3, 1}, "ffffgggghhhh");
  const TempFolder temp;
  const auto write = [&](int number, const GgufBuilder& file) {
    return temp.write("m-0000" + std::to_string(number) + "-of-00003.gguf", file.bytes());
  };
  const auto path = write(1, first);
  const auto message = [&](const std::filesystem::path& file) {
    return message_of([&] { Checkpoint::open(file); });
  };
  check_says(message(path), {"m-00002-of-00003.gguf", "expected part 2 of 3", "no such file"});
  write(2, second);
  check_says(message(path), {"m-00003-of-00003.gguf", "expected part 3 of 3"});
  const auto last = write(3, third);
  for (const auto& file : {path, last}) {
    const auto open = Checkpoint::open(file);
    CHECK(open->names() == std::vector<std::string>{"embed.weight", "head.weight", "norm.weight"});
    CHECK(rows_of(open->tensor("embed.weight")) == "aaaabbbbcccc");
    CHECK(rows_of(open->tensor("norm.weight")) == "ddddeeee");
    CHECK(rows_of(open->tensor("head.weight")) == "ffffgggghhhh");
    CHECK(open->tensor("head.weight").file == last.string());
    CHECK(json::parse(open->config_json()).contains("hidden_size"));
  }

  const auto with = [&](int number, const GgufBuilder& other, const GgufBuilder& right) {
    write(number, other);
    std::string found = message(path);
    write(number, right);
    return found;
  };
  check_says(with(2, third, second), {"m-00002-of-00003.gguf", "split.no", "expected 1, found 2"});
  check_says(with(2, part({}, 2, 4), second),
             {"m-00002-of-00003.gguf", "split.count", "expected 3, found 4"});
  check_says(with(2, {}, second), {"m-00002-of-00003.gguf", "split.count", "nothing"});
  check_says(with(3, part({}, 3, 3), third), {"m-00001-of-00003.gguf", "split.tensors.count", "found 3"});
  GgufBuilder twice = part({}, 3, 3);
  twice.tensor("token_embd.weight", 0, {1, 3}, "aaaabbbbcccc");
  check_says(with(3, twice, third),
             {"embed.weight", "twice", "m-00001-of-00003.gguf", "m-00003-of-00003.gguf"});
  CHECK(message(path) == "no error");
  for (const char* name : {"m.gguf", "m-00001-of-00004.gguf", "m-00004-of-00003.gguf",
                           "m-0000a-of-00003.gguf", "m-00000-of-00003.gguf", "-00001-of-0003.gguf"}) {
    CAPTURE(name);
    check_says(message(temp.write(name, first.bytes())), {name, "split.count", "MODEL-00001-of-00003.gguf"});
  }
}

TEST_CASE("block scales that are no numbers: the tensor and the block are named") {
  struct Case {
    uint32_t type;
    size_t values, bytes, at;  // of a block; where its last scale lies
    const char* bad;
  };
  for (const Case& c : {Case{8, 32, 34, 0, "\xff\x7f"}, Case{8, 32, 34, 0, "\x01\xfc"},
                        Case{10, 256, 84, 82, "\x01\x7c"}, Case{12, 256, 144, 2, "\x01\xfe"},
                        Case{16, 256, 66, 0, "\xff\xff"}, Case{39, 32, 17, 0, "\xff\x11"}}) {
    CAPTURE(c.type);
    for (const bool many : {false, true}) {  // more than is read when the matrix is asked for
      GgufBuilder builder = metadata_of(test::read_json(test::golden("fp32/h_mtp/config.json")));
      const size_t rows = many ? kCheckedBlockBytes / (4 * c.bytes) + 1 : 3;
      std::string data(rows * 4 * c.bytes, '\x11');
      const auto cols = static_cast<int64_t>(4 * c.values);
      builder.tensor("token_embd.weight", c.type, {static_cast<int64_t>(rows), cols}, data);
      const TempFolder temp;
      const auto good = Checkpoint::open(temp.write("good.gguf", builder.bytes()));
      CHECK_NOTHROW(good->matrix("embed.weight", static_cast<int64_t>(rows), cols));
      CHECK_NOTHROW(good->validate_scales());
      std::string bytes = builder.bytes();
      bytes.replace(bytes.size() - data.size() + (2 * 4 + 1) * c.bytes + c.at, 2, c.bad);
      const auto open = Checkpoint::open(temp.write("m.gguf", bytes));
      const std::vector<std::string> says = {
          "m.gguf: tensor embed.weight: row 2: block 1: expected a finite"};
      check_says(message_of([&] { open->validate_scales(); }), says);
      const std::string asked =
          message_of([&] { open->matrix("embed.weight", static_cast<int64_t>(rows), cols); });
      if (many) {
        CHECK(asked == "no error");
      } else {
        check_says(asked, says);
      }
    }
  }
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

}  // namespace
}  // namespace fathom

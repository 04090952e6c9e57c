// Folders in other dresses than the golden ones, and folders that are wrong: shards, odd offsets, aliases,
// scales, fused experts, drafters.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "tests/support/model_file_builder.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

using test::FileTensor;
using test::safetensors_bytes;
using test::TempFolder;
using test::TensorFile;

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::vector<FileTensor> tensors_of(const std::filesystem::path& path) {
  const TensorFile file = TensorFile::open(path);
  std::vector<FileTensor> out;
  for (const std::string& name : file.names()) {
    out.push_back({name, file.dtype(name), file.shape(name), text_of(file.bytes(name))});
  }
  return out;
}

std::string bytes_of(const TensorView& view) {
  std::string out(static_cast<size_t>(view.bytes), '\0');
  if (!out.empty()) std::memcpy(out.data(), view.data, out.size());
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

void replace(std::string& text, std::string_view from, std::string_view to) {
  if (const size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

/// A folder with config.json and one file of these tensors.
std::shared_ptr<const Checkpoint> open_tensors(const TempFolder& folder,
                                               const std::vector<FileTensor>& tensors, size_t padding = 0) {
  folder.write("config.json", "{}");
  folder.write("model.safetensors", safetensors_bytes(tensors, padding));
  return Checkpoint::open(folder.path());
}

TEST_CASE("odd offsets, and the official converter's aliases, change nothing") {
  for (const char* source : {"quantised/mixed", "fp32/h_mtp"}) {
    for (const bool aliases : {false, true}) {
      CAPTURE(source);
      const auto golden = Checkpoint::open(test::golden(source));
      auto tensors = tensors_of(test::golden(source) / "model.safetensors");
      if (aliases) {
        for (FileTensor& t : tensors) {
          replace(t.name, ".attn.", ".self_attn.");
          replace(t.name, ".ffn.", ".mlp.");
          replace(t.name, "gate.bias", "gate.e_score_correction_bias");
          if (t.name.ends_with(".scale")) t.name.replace(t.name.size() - 6, 6, ".weight_scale_inv");
          t.name = "model." + t.name;
        }
      }
      for (size_t padding = 0; padding < 4; ++padding) {
        const TempFolder folder;
        const auto shifted = open_tensors(folder, tensors, padding);
        CHECK(shifted->names() == golden->names());
        CHECK(shifted->naming() == (aliases ? "transformers" : "official"));
        bool odd = false;
        for (const std::string& name : golden->names()) {
          const TensorView view = shifted->tensor(name);
          odd = odd || reinterpret_cast<uintptr_t>(view.data) % 2 != 0;
          CHECK(bytes_of(view) == bytes_of(golden->tensor(name)));
        }
        CHECK(shifted->floats("norm.weight", golden->tensor("norm.weight").shape[0]) ==
              golden->floats("norm.weight", golden->tensor("norm.weight").shape[0]));
        if (std::string(source) == "fp32/h_mtp") {
          // F32 throughout: all offsets share the header's parity.
          const std::string bytes = test::read_text(folder / "model.safetensors");
          uint64_t header = 0;
          std::memcpy(&header, bytes.data(), 8);
          CHECK(odd == (header % 2 != 0));
        }
      }
    }
  }
}

TEST_CASE("a single file opens with its neighbours; other paths are refused") {
  const auto golden = test::golden("fp32/a_swa");
  CHECK(Checkpoint::open(golden / "model.safetensors")->names() == Checkpoint::open(golden)->names());
  const TempFolder folder;
  check_says(message_of([&] { Checkpoint::open(folder / "none"); }), {(folder / "none").string(), "nothing"});
  check_says(message_of([&] { Checkpoint::open(folder.path()); }),
             {folder.path().string(), "model.safetensors"});
  folder.write("model.safetensors", safetensors_bytes({{"norm.weight", "F32", {1}, "abcd"}}));
  check_says(message_of([&] { Checkpoint::open(folder.path()); }), {"config.json"});
  folder.write("config.json", "{\"a\": 1}");
  folder.write("tokenizer.json", "{\"b\": 2}");
  CHECK(Checkpoint::open(folder.path())->config_json() == "{\"a\": 1}");
  CHECK(Checkpoint::open(folder.path())->tokenizer_json() == "{\"b\": 2}");
}

TEST_CASE("index and shards that do not fit together") {
  const std::string one = safetensors_bytes({{"norm.weight", "F32", {1}, "abcd"}});
  const std::string two = safetensors_bytes({{"hc_head_scale", "F32", {1}, "abcd"}});
  const std::string both =
      safetensors_bytes({{"norm.weight", "F32", {1}, "abcd"}, {"hc_head_scale", "F32", {1}, "abcd"}});
  const auto map = [](const std::string& entries) { return "{\"weight_map\": {" + entries + "}}"; };
  const std::string norm = "\"norm.weight\": ", scale = "\"hc_head_scale\": ", s1 = "\"1.safetensors\"",
                    s2 = "\"2.safetensors\"";
  const std::string good = norm + s1 + ", " + scale + s2;
  struct Case {
    const char* label;
    std::string index, first, second;
    std::vector<std::string> says;
  };
  std::vector<Case> cases{
      {"bad JSON", "{", one, two, {"index.json"}},
      {"a list", "[]", one, two, {"index.json", "JSON object"}},
      {"no map", "{\"metadata\": {}}", one, two, {"weight_map", "nothing"}},
      {"map is a list", "{\"weight_map\": []}", one, two, {"weight_map", "object"}},
      {"map is empty", map(""), one, two, {"weight_map", "none"}},
      {"map twice", "{\"weight_map\": {}, \"weight_map\": {}}", one, two, {"weight_map"}},
      {"shard is a number", map(norm + "1"), one, two, {"weight_map", "norm.weight", "file name"}},
      {"tensor twice", map(norm + s1 + ", " + norm + s2), one, two, {"weight_map", "norm.weight", "twice"}},
      {"shard missing",
       map(good + ", \"embed.weight\": \"3.safetensors\""),
       one,
       two,
       {"3.safetensors", "no such file"}},
      {"tensor missing",
       map(good + ", \"embed.weight\": " + s2),
       one,
       two,
       {"embed.weight", "2.safetensors"}},
      {"tensors swapped",
       map(norm + s2 + ", " + scale + s1),
       one,
       two,
       {"norm.weight", "1.safetensors", "2.safetensors"}},
      {"tensor in two shards", map(good), one, both, {"2.safetensors", "norm.weight", "1.safetensors"}},
      {"tensor not in the index",
       map(norm + s1 + ", \"embed.weight\": " + s2),
       both,
       two,
       {"hc_head_scale", "index"}},
      {"shard cut short", map(good), one, two.substr(0, two.size() - 1), {"2.safetensors", "hc_head_scale"}},
      {"shard empty", map(good), one, "", {"2.safetensors", "header"}},
  };
  for (const char* path : {"../1.safetensors", "/tmp/1.safetensors", "a/1.safetensors", "..", ".", "",
                           ".safetensors", "a\\\\1.safetensors", "1.safetensors\\u0000.safetensors",
                           "model.safetensors.index.json", "config.json", "./1.safetensors"}) {
    cases.push_back({path,
                     map(norm + s1 + ", " + scale + "\"" + path + "\""),
                     one,
                     two,
                     {"index.json", "hc_head_scale", "plain file name"}});
  }
  for (const Case& c : cases) {
    CAPTURE(c.label);
    const TempFolder folder;
    folder.write("config.json", "{}");
    folder.write("1.safetensors", c.first);
    folder.write("2.safetensors", c.second);
    folder.write("model.safetensors.index.json", c.index);
    const std::string message = message_of([&] { Checkpoint::open(folder.path()); });
    check_says(message, c.says);
    check_says(message, {folder.path().string()});
  }
  const TempFolder folder;
  folder.write("config.json", "{}");
  folder.write("1.safetensors", one);
  folder.write("2.safetensors", two);
  folder.write("model.safetensors.index.json", map(good));
  CHECK(Checkpoint::open(folder.path())->names() == std::vector<std::string>{"hc_head_scale", "norm.weight"});
  folder.write("model.safetensors.index.json",
               "{\"metadata\": {\"total_size\": 8}, \"weight_map\": {" + good + "}}");
  CHECK(Checkpoint::open(folder.path())->notes().empty());
  folder.write("model.safetensors.index.json",
               "{\"metadata\": {\"total_size\": 9}, \"weight_map\": {" + good + "}}");
  REQUIRE(Checkpoint::open(folder.path())->notes().size() == 1);
  check_says(Checkpoint::open(folder.path())->notes()[0], {"total_size", "8", "9"});
  std::filesystem::remove(folder / "2.safetensors");
  std::filesystem::create_symlink("2.safetensors", folder / "2.safetensors");
  check_says(message_of([&] { Checkpoint::open(folder.path()); }), {folder.path().string()});
}

TEST_CASE("two stored names of one tensor are refused, unknown names listed") {
  const TempFolder folder;
  check_says(message_of([&] {
               open_tensors(folder, {{"embed.weight", "F32", {1, 1}, "abcd"},
                                     {"model.embed_tokens.weight", "F32", {1, 1}, "abcd"}});
             }),
             {"model.safetensors", "embed.weight", "twice", "model.embed_tokens.weight"});
  const auto open = open_tensors(
      folder, {{"norm.weight", "F32", {1}, "abcd"}, {"z.weight", "U8", {1}, "x"}, {"a", "U8", {1}, "x"}});
  CHECK(open->names() == std::vector<std::string>{"norm.weight"});
  CHECK(open->unknown_names() == std::vector<std::string>{"a", "z.weight"});
}

TEST_CASE("scales: type, shape, presence, NaN") {
  const auto fp8 = [](const char* scale_type, std::vector<int64_t> grid, const std::string& scale) {
    return std::vector<FileTensor>{{"layers.0.attn.wkv.weight", "F8_E4M3", {130, 3}, std::string(390, '1')},
                                   {"layers.0.attn.wkv.scale", scale_type, std::move(grid), scale}};
  };
  const auto matrix = [](const std::vector<FileTensor>& tensors, int64_t rows, int64_t cols) {
    const TempFolder folder;
    return message_of([&] { open_tensors(folder, tensors)->matrix(tensors[0].name, rows, cols); });
  };
  CHECK(matrix(fp8("F8_E8M0", {2, 1}, "xy"), 130, 3) == "no error");
  CHECK(matrix(fp8("F32", {2, 1}, std::string(8, '\0')), 130, 3) == "no error");
  check_says(matrix(fp8("F8_E8M0", {2, 1}, "x\xff"), 130, 3), {"wkv.scale", "scale 1", "NaN"});
  const std::string inf =
      test::little_endian(1.0f) + test::little_endian(std::numeric_limits<float>::infinity());
  check_says(matrix(fp8("F32", {2, 1}, inf), 130, 3), {"wkv.scale", "scale 1", "infinity"});
  check_says(matrix(fp8("F8_E8M0", {1, 1}, "x"), 130, 3), {"wkv.scale", "[2, 1]", "[1, 1]"});
  check_says(matrix(fp8("F8_E8M0", {1, 2}, "xy"), 130, 3), {"wkv.scale", "[2, 1]", "[1, 2]"});
  check_says(matrix(fp8("BF16", {2, 1}, "xxyy"), 130, 3), {"wkv.scale", "dtype", "BF16"});
  auto bare = fp8("F8_E8M0", {2, 1}, "xy");
  bare.pop_back();
  check_says(matrix(bare, 130, 3), {"wkv.weight", "wkv.scale", "nothing"});
  auto plain = fp8("F32", {2, 1}, std::string(8, '\0'));
  plain[0].dtype = "BF16";
  plain[0].data += plain[0].data;
  check_says(matrix(plain, 130, 3), {"wkv.weight", "wkv.scale", "found one"});
  const std::string expert = "layers.0.ffn.experts.0.w1";
  const auto fp4 = [&](std::vector<int64_t> shape, std::vector<int64_t> grid) {
    return std::vector<FileTensor>{
        {expert + ".weight", "I8", shape, std::string(static_cast<size_t>(shape[0] * shape[1]), '1')},
        {expert + ".scale", "F8_E8M0", grid, std::string(static_cast<size_t>(grid[0] * grid[1]), '1')}};
  };
  CHECK(matrix(fp4({3, 32}, {3, 2}), 3, 64) == "no error");
  check_says(matrix(fp4({3, 24}, {3, 2}), 3, 48), {"w1.weight", "blocks of 32"});
  check_says(matrix(fp4({3, 32}, {3, 1}), 3, 64), {"w1.scale", "[3, 2]", "[3, 1]"});

  // A grid above the limit is left to validate_scales().
  const TempFolder folder;
  auto large = fp4({1040, 1024}, {1040, 64});
  large[1].data.back() = '\xff';
  const auto open = open_tensors(folder, large);
  CHECK(open->matrix(expert + ".weight", 1040, 2048).rows == 1040);
  check_says(message_of([&] { open->validate_scales(); }), {"model.safetensors", "w1.scale", "scale 66559"});
}

TEST_CASE("fused experts: slices, their scales, and shapes that cannot be cut") {
  const std::string experts = "model.layers.0.mlp.experts.";
  const TempFolder folder;
  std::string data;
  for (int i = 0; i < 2 * 256 * 3; ++i) data += static_cast<char>(i * 7);
  const auto open =
      open_tensors(folder, {{experts + "gate_up_proj", "F8_E4M3", {2, 256, 3}, data},
                            {experts + "gate_up_proj_scale_inv", "F8_E8M0", {2, 2, 1}, "abcd"}});
  CHECK(open->naming() == "transformers");
  CHECK(open->names().size() == 8);
  const WeightView w = open->matrix("layers.0.ffn.experts.1.w3.weight", 128, 3);
  CHECK(std::memcmp(w.data, data.data() + 3 * (256 + 128), 128 * 3) == 0);
  CHECK(*w.scales == std::byte{'d'});
  CHECK(*open->matrix("layers.0.ffn.experts.1.w1.weight", 128, 3).scales == std::byte{'c'});
  struct Case {
    const char* name;
    std::vector<int64_t> shape;
    const char* says;
  };
  for (const auto& [name, shape, says] :
       {Case{"gate_up_proj", {4, 3}, "experts, 2 * inter"}, Case{"gate_up_proj", {2, 3, 2}, "[2, 3, 2]"},
        Case{"gate_up_proj", {2, 2, 1, 3}, "[2, 2, 1, 3]"}, Case{"down_proj", {12}, "experts, rows"},
        Case{"down_proj", {1'000'000'000'000'000'000, 0, 2}, "experts, rows"},
        Case{"down_proj", {70'000, 1, 1}, "[70000, 1, 1]"}}) {
    size_t bytes = 1;
    for (const int64_t dim : shape) bytes *= static_cast<size_t>(dim);
    check_says(message_of([&, n = std::string(name), s = shape] {
                 open_tensors(folder, {{experts + n, "U8", s, std::string(bytes, 'x')}});
               }),
               {"model.safetensors", experts + name, "shape", says});
  }
  check_says(message_of([&] {
               open_tensors(folder,
                            {{experts + "gate_up_proj", "F8_E4M3", {1, 400, 1}, std::string(400, 'x')},
                             {experts + "gate_up_proj_scale_inv", "F8_E8M0", {1, 4, 1}, "abcd"}});
             }),
             {"gate_up_proj", "128", "[200, 1]"});
}

TEST_CASE("a DSpark drafter is reported and set aside") {
  const TempFolder folder;
  const auto open = open_tensors(folder, {{"norm.weight", "F32", {1}, "abcd"},
                                          {"mtp.0.attn.attn_sink", "F32", {1}, "abcd"},
                                          {"mtp.0.main_proj.weight", "F8_E4M3", {2, 6}, std::string(12, '1')},
                                          {"mtp.0.main_proj.scale", "F8_E8M0", {1, 1}, "1"},
                                          {"mtp.1.attn_norm.weight", "BF16", {2}, "abcd"},
                                          {"mtp.2.markov_head.markov_w1.weight", "BF16", {1, 1}, "ab"}});
  CHECK(open->names() == std::vector<std::string>{"norm.weight"});
  CHECK(!open->has("mtp.0.attn.attn_sink"));
  REQUIRE(open->dspark());
  CHECK(open->dspark()->stages == 3);
  CHECK(open->dspark()->tensors == 5);
  CHECK(open->dspark()->bytes == 23);
  CHECK(open->unused_names().size() == 5);
  CHECK(open->matrix("mtp.0.main_proj.weight", 2, 6).scale_layout == ScaleLayout::block_128);
  REQUIRE(open->notes().size() == 1);
  check_says(open->notes()[0], {"DSpark", "3 stages", "5 tensors", "23 bytes"});
}

}  // namespace
}  // namespace fathom

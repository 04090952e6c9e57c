// Broken model folders given to the binary: one clear line that names the file or field, status 1, nothing
// written.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "checkpoint/gguf.h"
#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const fs::path kSource = fathom::test::golden("fp32/b_csa");

void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// A copy of a small golden model that a case breaks.
struct Folder {
  fathom::test::TempFolder temp;
  const fs::path& path = temp.path();
  std::string config = fathom::test::read_text(kSource / "config.json");
  std::string weights = fathom::test::read_text(kSource / "model.safetensors");

  void save() const {
    write(path / "config.json", config);
    write(path / "model.safetensors", weights);
  }
  // Changes the safetensors header by way of JSON; the data stay.
  void edit_header(const std::function<void(json&)>& edit) {
    uint64_t size = 0;
    std::memcpy(&size, weights.data(), 8);
    json header = json::parse(weights.substr(8, size));
    edit(header);
    const std::string text = header.dump();
    const uint64_t length = text.size();
    weights = std::string(reinterpret_cast<const char*>(&length), 8) + text + weights.substr(8 + size);
  }
  void edit_config(const std::function<void(json&)>& edit) {
    json c = json::parse(config);
    edit(c);
    config = c.dump();
  }
};

void check_refused(const Folder& folder, const std::vector<std::string>& names) {
  const fs::path out = folder.path / "out.safetensors";
  const auto r = fathom::test::run_fathom(
      {"logits", "-m", folder.path.string(), "--ids", "-", "--out", out.string()}, "[1,2,3,4,5]");
  CHECK(r.status == 1);
  CHECK(r.out.empty());
  CHECK_MESSAGE(r.err.starts_with("fathom: "), r.err);
  CHECK_MESSAGE(std::count(r.err.begin(), r.err.end(), '\n') == 1, r.err);
  for (const std::string& name : names) CHECK_MESSAGE(r.err.find(name) != std::string::npos, r.err);
  CHECK(!fs::exists(out));
}

}  // namespace

TEST_CASE("an unbroken copy works") {
  const Folder folder;
  folder.save();
  const auto r = fathom::test::run_fathom({"logits", "-m", folder.path.string(), "--ids", "-", "--out",
                                           (folder.path / "out.safetensors").string()},
                                          "[1,2,3,4,5]");
  CHECK(r.status == 0);
  CHECK(fs::exists(folder.path / "out.safetensors"));
}

TEST_CASE("files cut anywhere") {
  for (const double part : {0.0, 0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999, 0.999999}) {
    CAPTURE(part);
    Folder folder;
    folder.weights.resize(static_cast<size_t>(static_cast<double>(folder.weights.size()) * part));
    folder.save();
    check_refused(folder, {"model.safetensors"});
  }
  for (size_t size = 0; size + 1 < Folder().config.size(); size += 97) {
    CAPTURE(size);
    Folder folder;
    folder.config.resize(size);
    folder.save();
    check_refused(folder, {});
  }
}

TEST_CASE("headers that lie") {
  const std::string name = "layers.1.attn.wq_a.weight";
  const std::vector<std::pair<std::function<void(json&)>, std::vector<std::string>>> cases = {
      {[&](json& h) {
         h[name + "x"] = h[name];
         h.erase(name);
       },
       {name}},
      {[&](json& h) { h[name]["dtype"] = "F7"; }, {name, "F7"}},
      {[&](json& h) { h[name]["dtype"] = "I64"; }, {name}},
      {[&](json& h) { h[name]["shape"] = {1, 2, 3}; }, {name}},
      {[&](json& h) { h[name]["shape"] = {-1, -1}; }, {name}},
      {[&](json& h) { h[name]["shape"] = {1ll << 62, 1ll << 62}; }, {name}},
      {[&](json& h) { h[name]["shape"] = "wide"; }, {name}},
      {[&](json& h) { h[name]["data_offsets"] = {0, 1ll << 62}; }, {name}},
      {[&](json& h) { h[name]["data_offsets"] = {10, 5}; }, {name}},
      {[&](json& h) { h[name]["data_offsets"] = {0}; }, {name}},
      {[&](json& h) { h[name] = 5; }, {name}},
      {[&](json& h) { std::swap(h[name]["shape"][0], h[name]["shape"][1]); }, {name}},
      {[&](json& h) { h = json::array(); }, {"model.safetensors"}},
      {[&](json& h) { h = json::object(); }, {}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    Folder folder;
    folder.edit_header(cases[i].first);
    folder.save();
    check_refused(folder, cases[i].second);
  }
  Folder huge;
  const uint64_t length = ~uint64_t{0};
  std::memcpy(huge.weights.data(), &length, 8);
  huge.save();
  check_refused(huge, {"model.safetensors"});
}

TEST_CASE("what is wrong with a config names its file") {
  Folder folder;
  folder.config.insert(folder.config.find('{') + 1, "\"hidden_size\": 1,");
  folder.save();
  const std::string file = (folder.path / "config.json").string();
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"logits", "-m", folder.path.string(), "--ids", "-", "--out", "/dev/null"},
           {"inspect", folder.path.string()},
           {"plan", folder.path.string()},
           {"convert", folder.path.string(), "--to", "gguf", "--out", (folder.path / "x.gguf").string()}}) {
    CAPTURE(args);
    const auto r = fathom::test::run_fathom(args, "[1]");
    CHECK(r.status == 1);
    CHECK(r.err == "fathom: " + file + ": hidden_size: expected once, found twice\n");
  }
}

TEST_CASE("configs that contradict the weights or themselves") {
  const std::vector<std::pair<std::function<void(json&)>, std::vector<std::string>>> cases = {
      {[](json& c) { c["hidden_size"] = 41; }, {}},
      {[](json& c) { c["hidden_size"] = "forty"; }, {"hidden_size"}},
      {[](json& c) { c["hidden_size"] = 1e30; }, {"hidden_size"}},
      {[](json& c) { c["hidden_size"] = -1; }, {"hidden_size"}},
      {[](json& c) { c["num_hidden_layers"] = 4000000000; }, {"num_hidden_layers"}},
      {[](json& c) { c["num_hidden_layers"] = 5; }, {}},
      {[](json& c) { c["hc_mult"] = 64; }, {"hc_mult"}},
      {[](json& c) { c["compress_ratios"] = {1, 1, 1}; }, {"compress_ratios"}},
      {[](json& c) { c.erase("compress_ratios"); }, {}},
      {[](json& c) { c["scoring_func"] = "sigmoid"; }, {"scoring_func"}},
      {[](json& c) { c["num_key_value_heads"] = 2; }, {"num_key_value_heads"}},
      {[](json& c) { c["n_routed_experts"] = 1; }, {}},
      {[](json& c) { c["qk_rope_head_dim"] = 7; }, {"qk_rope_head_dim"}},
      {[](json& c) { c["model_type"] = "llama"; }, {"model_type"}},
      {[](json& c) { c["rope_scaling"] = {{"type", "longrope"}}; }, {"rope_scaling"}},
      {[](json& c) { c["vocab_size"] = 1000000; }, {}},
      {[](json& c) { c = json::array(); }, {}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    Folder folder;
    folder.edit_config(cases[i].first);
    folder.save();
    check_refused(folder, cases[i].second);
  }
}

TEST_CASE("indexes that lead elsewhere") {
  for (const char* shard : {"../model.safetensors", "/etc/passwd", "model.safetensors.index.json", "", ".",
                            "a/b", "missing.safetensors"}) {
    CAPTURE(shard);
    Folder folder;
    folder.save();
    fs::remove(folder.path / "model.safetensors");
    write(folder.path / "model.safetensors.index.json",
          json{{"weight_map", {{"embed.weight", shard}}}}.dump());
    check_refused(folder, {"model.safetensors.index.json"});
  }
  for (const char* index :
       {"", "[]", "{", "{}", R"({"weight_map":5})", R"({"weight_map":{"embed.weight":7}})"}) {
    CAPTURE(index);
    Folder folder;
    folder.save();
    fs::remove(folder.path / "model.safetensors");
    write(folder.path / "model.safetensors.index.json", index);
    check_refused(folder, {"model.safetensors.index.json"});
  }
}

TEST_CASE("values that are no numbers") {
  const auto file = fathom::test::TensorFile::open(kSource / "model.safetensors");
  for (const char* name :
       {"norm.weight", "layers.0.hc_attn_base", "layers.1.attn.attn_sink", "layers.2.ffn.gate.bias"}) {
    CAPTURE(name);
    Folder folder;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(folder.weights.data() + file.offset(name), &nan, 4);
    folder.save();
    check_refused(folder, {name});
  }
}

TEST_CASE("a text is not scored by a model whose matrix has a value that is no number") {
  const fs::path source = fs::path(FATHOM_SOURCE_DIR) / "models/v4-10m";
  const fathom::test::TempFolder folder;
  fs::copy(source, folder.path(), fs::copy_options::recursive);
  std::string weights = fathom::test::read_text(source / "model.safetensors");
  const auto file = fathom::test::TensorFile::open(source / "model.safetensors");
  weights.replace(file.offset("layers.1.attn.wq_a.weight"), 2, "\xff\x7f");  // NaN in bfloat16
  write(folder.path() / "model.safetensors", weights);
  const auto r = fathom::test::run_fathom({"score", "-m", folder.path().string(), "-"}, "Once upon a time");
  CHECK(r.status == 1);
  CHECK(r.out.empty());
  CHECK_MESSAGE(r.err.find("expected finite logits") != std::string::npos, r.err);
}

TEST_CASE("the tokenizer is looked at before the weights") {
  for (const char* command : {"run", "chat"}) {
    CAPTURE(command);
    Folder folder;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto file = fathom::test::TensorFile::open(kSource / "model.safetensors");
    std::memcpy(folder.weights.data() + file.offset("norm.weight"), &nan, 4);
    folder.save();
    auto r = fathom::test::run_fathom({command, "-m", folder.path.string()}, "x");
    CHECK(r.status == 1);
    CHECK_MESSAGE(r.err.find("expected a tokenizer.json, found none") != std::string::npos, r.err);

    write(folder.path / "tokenizer.json", "{");
    write(folder.path / "model.safetensors", "x");
    r = fathom::test::run_fathom({command, "-m", folder.path.string()}, "x");
    CHECK(r.status == 1);
    CHECK_MESSAGE(r.err.find("tokenizer.json") != std::string::npos, r.err);
    CHECK_MESSAGE(std::count(r.err.begin(), r.err.end(), '\n') == 1, r.err);
  }
}

TEST_CASE("GGUF blocks whose scale is no number") {
  const Folder folder;
  const std::string path = (folder.path / "m.gguf").string(), out = (folder.path / "out").string();
  REQUIRE(fathom::test::run_fathom({"convert", "tests/golden/quantised/mixed", "--to", "gguf", "--dtype",
                                    "release", "--out", path})
              .status == 0);
  const std::string whole = fathom::test::read_text(path);
  for (const fathom::DType dtype : {fathom::DType::Q8_0, fathom::DType::MXFP4}) {
    CAPTURE(fathom::name(dtype));
    std::string bytes = whole;
    {
      const fathom::MappedFile mapped(path);
      const auto tensors = fathom::read_gguf(mapped).tensors;
      const auto found =
          std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.dtype == dtype; });
      REQUIRE(found != tensors.end());
      const auto last = static_cast<size_t>(found->offset + found->bytes - fathom::block_bytes(dtype));
      bytes.replace(last, 2, "\xff\x7e");  // NaN as a half, and as a power of two
    }
    write(path, bytes);
    for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
             {"inspect", "--check", path}, {"logits", "-m", path, "--ids", "-", "--out", out}}) {
      const auto r = fathom::test::run_fathom(args, "[1]");
      CHECK(r.status == 1);
      CHECK_MESSAGE(r.err.find("m.gguf: tensor layers.") != std::string::npos, r.err);
      CHECK_MESSAGE(r.err.find("expected a finite scale, found NaN or infinity") != std::string::npos, r.err);
      CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    }
    write(path, whole);
  }
}

TEST_CASE("GGUF files that are none") {
  for (const std::string& bytes :
       {std::string(), std::string("GGUF"), std::string("GGUF\3\0\0\0", 8),
        std::string("GGUF\3\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0\0", 24),
        std::string("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f", 24),
        std::string("GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24),
        std::string("GGUF\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24), std::string(1000, 'G')}) {
    const Folder folder;
    const fs::path path = folder.path / "model.gguf";
    write(path, bytes);
    const auto r = fathom::test::run_fathom(
        {"logits", "-m", path.string(), "--ids", "-", "--out", (folder.path / "out").string()}, "[1]");
    CHECK(r.status == 1);
    CHECK_MESSAGE(r.err.find("model.gguf") != std::string::npos, r.err);
    CHECK_MESSAGE(std::count(r.err.begin(), r.err.end(), '\n') == 1, r.err);
  }
}

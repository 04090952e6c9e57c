// Malformed GGUF files: each gives one Error that names the file and the key or tensor at fault.
#include <doctest/doctest.h>

#include <random>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf.h"
#include "tests/checkpoint/gguf_cases.h"
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

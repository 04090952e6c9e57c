// GgufWriter: the file's bytes, read back by a small parser written from the format's description alone.

#include "checkpoint/gguf_writer.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include "base/error.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

// Reads little-endian fields one after the other.
class Reader {
 public:
  explicit Reader(std::string content) : content_(std::move(content)) {}
  template <class T>
  T get() {
    T value;
    if (content_.size() - at_ < sizeof value) throw std::runtime_error("GGUF file ends early");
    std::memcpy(&value, content_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string text() {
    const auto size = get<uint64_t>();
    if (content_.size() - at_ < size) throw std::runtime_error("GGUF file ends early");
    at_ += size;
    return content_.substr(at_ - size, size);
  }
  /// A value of any type as text: "4:7" is the uint32 7, "9:[...]" an array.
  std::string value(uint32_t type) {
    const std::string prefix = std::to_string(type) + ":";
    switch (type) {
      case 0:
        return prefix + std::to_string(get<uint8_t>());
      case 1:
        return prefix + std::to_string(get<int8_t>());
      case 2:
        return prefix + std::to_string(get<uint16_t>());
      case 3:
        return prefix + std::to_string(get<int16_t>());
      case 4:
        return prefix + std::to_string(get<uint32_t>());
      case 5:
        return prefix + std::to_string(get<int32_t>());
      case 6:
        return prefix + std::to_string(get<float>());
      case 7:
        return prefix + std::to_string(get<uint8_t>());
      case 8:
        return prefix + text();
      case 9: {
        const auto element = get<uint32_t>();
        const auto count = get<uint64_t>();
        std::string out = prefix + "[";
        for (uint64_t i = 0; i < count; ++i) out += value(element) + ",";
        return out + "]";
      }
      case 10:
        return prefix + std::to_string(get<uint64_t>());
      case 11:
        return prefix + std::to_string(get<int64_t>());
      case 12:
        return prefix + std::to_string(get<double>());
      default:
        throw std::runtime_error("GGUF value type " + std::to_string(type));
    }
  }
  size_t position() const { return at_; }
  const std::string& content() const { return content_; }

 private:
  std::string content_;
  size_t at_ = 0;
};

struct Tensor {
  std::vector<uint64_t> dims;
  uint32_t type;
  uint64_t offset;  // in the file
};

struct Parsed {
  std::vector<std::pair<std::string, std::string>> metadata;
  std::map<std::string, Tensor> tensors;
  std::string content;
};

Parsed parse(const std::filesystem::path& path) {
  Reader in(test::read_text(path));
  Parsed out;
  CHECK(in.get<uint32_t>() == 0x46554747);  // "GGUF"
  CHECK(in.get<uint32_t>() == 3);
  const auto tensors = in.get<uint64_t>(), pairs = in.get<uint64_t>();
  for (uint64_t i = 0; i < pairs; ++i) {
    const std::string key = in.text();
    const auto type = in.get<uint32_t>();
    out.metadata.emplace_back(key, in.value(type));
  }
  for (uint64_t i = 0; i < tensors; ++i) {
    const std::string name = in.text();
    Tensor tensor;
    const auto dims = in.get<uint32_t>();
    for (uint32_t k = 0; k < dims; ++k) tensor.dims.push_back(in.get<uint64_t>());
    tensor.type = in.get<uint32_t>();
    tensor.offset = in.get<uint64_t>();
    CHECK(tensor.offset % 32 == 0);
    out.tensors[name] = tensor;
  }
  const uint64_t data = (in.position() + 31) / 32 * 32;
  for (auto& item : out.tensors) item.second.offset += data;
  out.content = in.content();
  return out;
}

GgufKeyValues all_types() {
  GgufKeyValues m;
  m.add("general.architecture", "deepseek4");
  m.add("u8", uint8_t{200});
  m.add("i8", int8_t{-100});
  m.add("u16", uint16_t{60000});
  m.add("i16", int16_t{-30000});
  m.add("u32", uint32_t{4000000000});
  m.add("i32", int32_t{-2000000000});
  m.add("f32", 0.5f);
  m.add("yes", true);
  m.add("no", false);
  m.add("u64", uint64_t{1} << 63);
  m.add("i64", int64_t{-5000000000});
  m.add("f64", 0.25);
  m.add("empty", std::string_view());
  m.add("ratios", std::vector<uint32_t>{0, 4, 128});
  m.add("clamp", std::vector<float>{10.0f, 7.0f});
  m.add("types", std::vector<int32_t>{1, -3});
  m.add("flags", std::vector<bool>{true, false});
  m.add("none", std::vector<uint64_t>{});
  m.add("tokens", std::vector<std::string>{"a", "", "é\n"});
  return m;
}

TEST_CASE("metadata of every type, tensors of every type, alignment") {
  const test::TempFolder folder;
  const std::vector<TensorDeclaration> tensors = {
      {"f32", DType::F32, {3, 5}},       {"f16", DType::F16, {3}},
      {"bf16", DType::BF16, {2, 3, 5}},  {"q8_0", DType::Q8_0, {3, 64}},
      {"q2_k", DType::Q2_K, {256}},      {"q4_k", DType::Q4_K, {2, 256}},
      {"iq2", DType::IQ2_XXS, {1, 512}}, {"mxfp4", DType::MXFP4, {5, 1, 32}},
      {"i32", DType::I32, {7}},          {"i64", DType::I64, {1}},
      {"i16", DType::I16, {1}},          {"i8", DType::I8, {1}},
      {"f64", DType::F64, {}},           {"empty", DType::F32, {0, 4}}};
  GgufWriter writer(folder / "m.gguf", all_types(), tensors);
  const auto bytes_of = [&](const TensorDeclaration& tensor) {
    std::string bytes(static_cast<size_t>(tensor_bytes(tensor)), '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + tensor.name.size());
    return bytes;
  };
  for (const auto& tensor : tensors) {
    const std::string bytes = bytes_of(tensor);
    writer.append(tensor.name, bytes.data(), static_cast<int64_t>(bytes.size()));
  }
  CHECK(folder.names() != std::vector<std::string>{"m.gguf"});
  writer.finish();
  CHECK(folder.names() == std::vector<std::string>{"m.gguf"});

  const Parsed file = parse(folder / "m.gguf");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"general.architecture", "8:deepseek4"},
      {"u8", "0:200"},
      {"i8", "1:-100"},
      {"u16", "2:60000"},
      {"i16", "3:-30000"},
      {"u32", "4:4000000000"},
      {"i32", "5:-2000000000"},
      {"f32", "6:0.500000"},
      {"yes", "7:1"},
      {"no", "7:0"},
      {"u64", "10:9223372036854775808"},
      {"i64", "11:-5000000000"},
      {"f64", "12:0.250000"},
      {"empty", "8:"},
      {"ratios", "9:[4:0,4:4,4:128,]"},
      {"clamp", "9:[6:10.000000,6:7.000000,]"},
      {"types", "9:[5:1,5:-3,]"},
      {"flags", "9:[7:1,7:0,]"},
      {"none", "9:[]"},
      {"tokens", "9:[8:a,8:,8:é\n,]"},
  };
  CHECK(file.metadata == expected);

  const std::map<std::string, uint32_t> types = {
      {"f32", 0},  {"f16", 1},  {"q8_0", 8}, {"q2_k", 10}, {"q4_k", 12}, {"iq2", 16},   {"i8", 24},
      {"i16", 25}, {"i32", 26}, {"i64", 27}, {"f64", 28},  {"bf16", 30}, {"mxfp4", 39}, {"empty", 0}};
  REQUIRE(file.tensors.size() == tensors.size());
  for (const auto& tensor : tensors) {
    CAPTURE(tensor.name);
    const Tensor& found = file.tensors.at(tensor.name);
    CHECK(found.type == types.at(tensor.name));
    std::vector<uint64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
    if (dims.empty()) dims = {1};
    CHECK(found.dims == dims);
    const std::string bytes = bytes_of(tensor);
    REQUIRE(found.offset + bytes.size() <= file.content.size());
    CHECK(file.content.substr(found.offset, bytes.size()) == bytes);
  }
  CHECK(file.content.size() % 32 == 0);
}

TEST_CASE("sparse, and an older file stays until finish") {
  const test::TempFolder folder;
  const auto path = folder / "m.gguf";
  {
    GgufWriter writer(path, {}, {});
    writer.finish();
  }
  CHECK(parse(path).tensors.empty());
  GgufWriter writer(path, {}, {{"hole", DType::MXFP4, {1 << 18, 1 << 10}}, {"norm", DType::F32, {1}}}, true);
  const float norm = 3.0f;
  writer.append("norm", &norm, sizeof norm);
  CHECK(parse(path).tensors.empty());
  writer.finish();
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK(status.st_size > (1 << 18) * 17 * 32);
  CHECK(status.st_blocks * 512 < 1 << 20);
}

TEST_CASE("bad declarations, bad keys and a full disk") {
  const test::TempFolder folder;
  const auto refused = [&](const std::vector<TensorDeclaration>& tensors, const char* message) {
    CHECK_THROWS_WITH_AS(GgufWriter(folder / "m.gguf", {}, tensors), message, Error);
    CHECK(folder.names().empty());
  };
  refused({{"a", DType::F8_E4M3, {4}}}, "tensor a: expected a dtype of GGUF, found F8_E4M3");
  refused({{"a", DType::F32, {1, 1, 1, 1, 1}}}, "tensor a: expected at most 4 dimensions, found 5");
  refused({{"", DType::F32, {1}}}, "tensor : expected a name of 1 to 63 bytes, found 0");
  refused({{"a", DType::F32, {1}}, {"a", DType::F32, {1}}}, "tensor a: expected once, found twice");
  refused({{"a", DType::Q4_K, {2, 128}}},
          "tensor a: expected rows in whole blocks of 256 Q4_K values and less than 2^62 bytes, found rows "
          "of 128");
  const int64_t half = int64_t{1} << 61;
  refused({{"a", DType::I8, {half}}, {"b", DType::I8, {half}}},
          "tensor b: expected less than 2^62 bytes up to here");

  GgufKeyValues metadata;
  metadata.add("k", uint32_t{1});
  CHECK_THROWS_WITH_AS(metadata.add("k", true), "GGUF metadata: expected k once, found it twice", Error);
  CHECK_THROWS_WITH_AS(metadata.add("", true), "GGUF metadata: expected a key of 1 to 65535 bytes, found 0",
                       Error);

  const test::FileSizeLimit limit(5000);
  refused({{"a", DType::I8, {8128}}},
          ((folder / "m.gguf").string() + ": expected to reserve 8192 bytes, found: File too large").c_str());
}

}  // namespace
}  // namespace fathom

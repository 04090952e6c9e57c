// Malformed safetensors files: each gives one Error that names the file and the tensor or field at fault.
#include <doctest/doctest.h>

#include <random>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "tests/support/model_file_builder.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

using test::little_endian;
using test::safetensors_bytes;
using test::TempFolder;

std::string error_of(const std::filesystem::path& path) {
  try {
    read_safetensors(MappedFile(path));
  } catch (const Error& e) {
    CHECK(e.code() != ErrorCode::internal);
    return e.message();
  }
  return "no error";
}

void check_message(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    CAPTURE(message);
    CAPTURE(part);
    CHECK(message.find(part) != std::string::npos);
  }
  CHECK(message.find('\n') == std::string::npos);
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, int64_t begin,
                  int64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

TEST_CASE("wrong headers") {
  const TempFolder folder;
  const std::string eight(8, '\0');
  struct Case {
    const char* label;
    std::string bytes;
    std::vector<std::string> says;
  };
  const std::string a = entry("a", "F32", "[2]", 0, 8);
  const std::string deep = "{" + std::string(100'000, '[');
  const Case cases[] = {
      {"empty", "", {"header", "found 0"}},
      {"length cut short", "\x10\0\0", {"header", "8 bytes"}},
      {"length beyond the file", little_endian<uint64_t>(100) + "{}", {"header", "at most 2", "found 100"}},
      {"length beyond memory",
       little_endian<uint64_t>(~uint64_t{0}) + "{}",
       {"header", "18446744073709551615"}},
      {"length of sign bit", little_endian<uint64_t>(uint64_t{1} << 63) + "{}", {"header"}},
      {"length 0", little_endian<uint64_t>(0), {"header", "JSON object"}},
      {"a list", safetensors_bytes("[]", ""), {"header", "JSON object"}},
      {"spaces before", safetensors_bytes(" {}", ""), {"header", "JSON object"}},
      {"bad JSON", safetensors_bytes("{\"a\":}", ""), {"header"}},
      {"cut JSON", safetensors_bytes("{" + a, eight), {"header"}},
      {"JSON twice", safetensors_bytes("{}{}", ""), {"header"}},
      {"nested too deep", safetensors_bytes(deep, ""), {"header"}},
      {"not UTF-8", safetensors_bytes("{\"\xff\":1}", ""), {"header"}},
      {"entry is a number", safetensors_bytes("{\"a\":1}", ""), {"tensor a", "object", "number"}},
      {"no dtype",
       safetensors_bytes("{\"a\":{\"shape\":[],\"data_offsets\":[0,0]}}", ""),
       {"tensor a", "dtype"}},
      {"no shape",
       safetensors_bytes("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}", ""),
       {"tensor a", "shape"}},
      {"no offsets",
       safetensors_bytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", ""),
       {"tensor a", "data_offsets"}},
      {"unknown dtype",
       safetensors_bytes("{" + entry("a", "F31", "[2]", 0, 8) + "}", eight),
       {"tensor a", "F31"}},
      {"a ggml dtype",
       safetensors_bytes("{" + entry("a", "Q8_0", "[32]", 0, 34) + "}", std::string(34, 'x')),
       {"tensor a", "dtype", "Q8_0"}},
      {"dtype is null", safetensors_bytes("{\"a\":{\"dtype\":null}}", ""), {"tensor a", "dtype", "null"}},
      {"negative size",
       safetensors_bytes("{" + entry("a", "F32", "[-2]", 0, 8) + "}", eight),
       {"tensor a", "shape[0]"}},
      {"fractional size",
       safetensors_bytes("{" + entry("a", "F32", "[2.0]", 0, 8) + "}", eight),
       {"tensor a", "shape"}},
      {"size beyond 64 bits",
       safetensors_bytes("{" + entry("a", "F32", "[99999999999999999999]", 0, 8) + "}", eight),
       {"header"}},
      {"size beyond int64",
       safetensors_bytes("{" + entry("a", "F32", "[9223372036854775808]", 0, 8) + "}", eight),
       {"tensor a", "shape[0]"}},
      {"sizes overflow",
       safetensors_bytes("{" + entry("a", "F32", "[4294967296,4294967296]", 0, 0) + "}", ""),
       {"tensor a", "2^63"}},
      {"sizes wrap to the right value",
       safetensors_bytes("{" + entry("a", "F32", "[4611686018427387906]", 0, 8) + "}", eight),
       {"tensor a", "2^63"}},
      {"9 dimensions",
       safetensors_bytes("{" + entry("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) + "}", "x"),
       {"tensor a", "shape", "8"}},
      {"one offset",
       safetensors_bytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", "x"),
       {"tensor a", "data_offsets", "2 numbers"}},
      {"three offsets",
       safetensors_bytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", "x"),
       {"tensor a", "data_offsets"}},
      {"end before begin",
       safetensors_bytes("{" + entry("a", "F32", "[2]", 8, 0) + "}", eight),
       {"tensor a", "data_offsets", "[8, 0]"}},
      {"end outside",
       safetensors_bytes("{" + entry("a", "F32", "[4]", 0, 16) + "}", eight),
       {"tensor a", "data_offsets", "[0, 16]"}},
      {"bytes do not match",
       safetensors_bytes("{" + entry("a", "F32", "[3]", 0, 8) + "}", eight),
       {"tensor a", "12 bytes", "found 8"}},
      {"overlap",
       safetensors_bytes("{" + a + "," + entry("b", "F32", "[2]", 4, 12) + "}", std::string(12, 'x')),
       {"tensor b", "overlap"}},
      {"same place",
       safetensors_bytes("{" + a + "," + entry("b", "F32", "[2]", 0, 8) + "}", eight),
       {"tensor b", "overlap"}},
      {"hole",
       safetensors_bytes("{" + a + "," + entry("b", "F32", "[2]", 9, 17) + "}", std::string(17, 'x')),
       {"tensor b", "hole"}},
      {"data left over", safetensors_bytes("{" + a + "}", std::string(9, 'x')), {"8 bytes", "found 9"}},
      {"data without tensors", safetensors_bytes("{}", "x"), {"0 bytes", "found 1"}},
      {"name twice",
       safetensors_bytes("{" + a + "," + entry("a", "F32", "[2]", 8, 16) + "}", std::string(16, 'x')),
       {"tensor a", "twice"}},
      {"field twice",
       safetensors_bytes("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                         "x"),
       {"tensor a", "dtype", "twice"}},
      {"metadata is a list", safetensors_bytes("{\"__metadata__\":[]}", ""), {"__metadata__", "object"}},
      {"metadata of a number",
       safetensors_bytes("{\"__metadata__\":{\"k\":1}}", ""),
       {"__metadata__", "k", "string"}},
      {"metadata twice",
       safetensors_bytes("{\"__metadata__\":{},\"__metadata__\":{}}", ""),
       {"__metadata__", "twice"}},
      {"control characters in a name",
       safetensors_bytes("{\"a\\u001b[2J\\n\":1}", ""),
       {"tensor a\\x1b[2J\\x0a", "object"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.label);
    const auto path = folder.write("model.safetensors", c.bytes);
    const std::string message = error_of(path);
    check_message(message, c.says);
    check_message(message, {path.string()});
  }
}

TEST_CASE("what looks odd and is legal") {
  const TempFolder folder;
  const std::string empty = entry("e", "F32", "[0,4611686018427387904,4]", 3, 3);
  const auto path = folder.write(
      "m", safetensors_bytes("{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F32", "[]", 3, 7) + "," +
                                 empty + "," + entry("a", "U8", "[3]", 0, 3) + "}",
                             "xyz1234", 5));
  const auto tensors = read_safetensors(MappedFile(path));
  REQUIRE(tensors.size() == 3);
  CHECK(tensors[0].name == "a");
  CHECK(tensors[1].name == "e");
  CHECK(tensors[1].bytes == 0);
  CHECK(tensors[2].name == "b");
  CHECK(tensors[2].bytes == 4);
  CHECK(tensors[2].offset == tensors[0].offset + 3);
}

TEST_CASE("cut at every byte, and with random bytes changed") {
  const TempFolder folder;
  const std::string whole =
      safetensors_bytes({{"layers.0.attn.wq_a.weight", "F32", {2, 3}, std::string(24, 'x')},
                         {"layers.0.attn.wq_a.scale", "F8_E8M0", {1, 1}, "x"},
                         {"norm.weight", "BF16", {5}, std::string(10, 'y')}});
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    const auto path = folder.write("m.safetensors", whole.substr(0, length));
    check_message(error_of(path), {path.string(), "expected"});
  }
  std::mt19937 random(1);
  int good = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string changed = whole;
    for (int k = 0; k < 3; ++k) changed[random() % changed.size()] = static_cast<char>(random());
    const auto path = folder.write("m.safetensors", changed);
    const std::string message = error_of(path);
    if (message == "no error") {
      ++good;
    } else {
      check_message(message, {path.string(), "expected"});
    }
  }
  CHECK(good < 3000);
}

}  // namespace
}  // namespace fathom

// SafetensorsWriter: what it writes reads back bit for bit, by the tests' own reader and by fathom's; nothing
// half written ever stands under a final name.

#include "checkpoint/safetensors_writer.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <limits>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

using Bytes = std::vector<uint8_t>;

// Tensors of every dtype that safetensors has, in an order that would leave them unaligned.
std::vector<TensorDeclaration> all_dtypes() {
  return {{"codes", DType::F8_E4M3, {3, 5}},   {"scales", DType::F8_E8M0, {1}},
          {"double", DType::F64, {2, 2}},      {"half", DType::F16, {7}},
          {"packed", DType::F4_E2M1, {3, 32}}, {"float", DType::F32, {3, 1, 2}},
          {"scalar", DType::F32, {}},          {"empty", DType::BF16, {0, 4}},
          {"bfloat", DType::BF16, {1, 3}},     {"ids", DType::I64, {2, 3}},
          {"small ids", DType::I32, {2}},      {"shorts", DType::I16, {3}},
          {"bytes", DType::I8, {5}},           {"flags \"\\ \n é", DType::BOOL, {2}},
          {"unsigned", DType::U8, {3}}};
}

Bytes random_bytes(const TensorDeclaration& tensor) {
  std::mt19937 random(static_cast<unsigned>(std::hash<std::string>{}(tensor.name)));
  Bytes out(static_cast<size_t>(tensor_bytes(tensor)));
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

void write_all(TensorSink& sink, const std::vector<TensorDeclaration>& tensors) {
  for (const auto& tensor : tensors) {
    const Bytes bytes = random_bytes(tensor);
    sink.append(tensor.name, bytes.data(), static_cast<int64_t>(bytes.size()));
  }
  sink.finish();
}

TEST_CASE("one file: every dtype reads back, aligned, with the metadata of transformers") {
  const test::TempFolder folder;
  const auto tensors = all_dtypes();
  SafetensorsWriter writer(folder.path(), tensors);
  for (const auto& name : folder.names()) CHECK(name.find(".partial-") != std::string::npos);
  write_all(writer, tensors);
  CHECK(folder.names() == std::vector<std::string>{"model.safetensors"});
  CHECK(writer.files() == folder.names());

  const auto file = test::TensorFile::open(folder / "model.safetensors");
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(file.names().size() == tensors.size());
  int64_t total = 0;
  for (const auto& tensor : tensors) {
    CAPTURE(tensor.name);
    CHECK(file.bytes(tensor.name) == random_bytes(tensor));
    const bool packed = tensor.dtype == DType::F4_E2M1;
    CHECK(file.dtype(tensor.name) == (packed ? "I8" : name(tensor.dtype)));
    CHECK(file.shape(tensor.name) == (packed ? std::vector<int64_t>{3, 16} : tensor.shape));
    CHECK(file.offset(tensor.name) % static_cast<uint64_t>(block_bytes(tensor.dtype)) == 0);
    total += tensor_bytes(tensor);
  }
  CHECK(writer.total_bytes() == total);
  CHECK(read_safetensors(MappedFile(folder / "model.safetensors")).size() == tensors.size());
  struct stat status{};
  REQUIRE(::stat((folder / "model.safetensors").c_str(), &status) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((status.st_mode & 0777) == (0666 & ~mask));
}

TEST_CASE("shards: declared order, the limit, the index, pieces in any order") {
  const test::TempFolder folder;
  std::vector<TensorDeclaration> tensors;
  for (int i = 0; i < 10; ++i) tensors.push_back({fmt::format("t{}", i), DType::F32, {i + 1, 10}});
  tensors.push_back({"large", DType::F32, {100, 10}});
  tensors.push_back({"last", DType::U8, {1}});
  SafetensorsOptions options;
  options.max_shard_bytes = 1000;
  SafetensorsWriter writer(folder.path(), tensors, options);
  const auto pieces = [&](size_t piece) {  // thirds of all tensors, the last tensor first
    for (auto tensor = tensors.rbegin(); tensor != tensors.rend(); ++tensor) {
      const Bytes bytes = random_bytes(*tensor);
      const size_t first = bytes.size() * piece / 3, end = bytes.size() * (piece + 1) / 3;
      writer.append(tensor->name, bytes.data() + first, static_cast<int64_t>(end - first));
    }
  };
  for (size_t piece = 0; piece < 3; ++piece) pieces(piece);
  writer.finish();

  // 40 80 120 160 200 240 | 280 320 360 | 400 | 4000 | 1: the sums stay within 1000
  REQUIRE(writer.files().size() == 5);
  CHECK(writer.files()[0] == "model-00001-of-00005.safetensors");
  auto expected_names = writer.files();
  expected_names.emplace_back("model.safetensors.index.json");
  CHECK(folder.names() == expected_names);
  const auto index = test::read_json(folder / "model.safetensors.index.json");
  CHECK(index.at("metadata").at("total_size") == writer.total_bytes());
  CHECK(index.at("weight_map").size() == tensors.size());
  int64_t total = 0;
  for (const auto& tensor : tensors) {
    CAPTURE(tensor.name);
    const auto file =
        test::TensorFile::open(folder / index.at("weight_map").at(tensor.name).get<std::string>());
    CHECK(file.bytes(tensor.name) == random_bytes(tensor));
    total += tensor_bytes(tensor);
  }
  CHECK(total == writer.total_bytes());
  const std::vector<size_t> counts = {6, 3, 1, 1, 1};
  for (size_t i = 0; i < counts.size(); ++i) {
    CHECK(test::TensorFile::open(folder / writer.files()[i]).names().size() == counts[i]);
  }
}

TEST_CASE("no tensors at all is a file too") {
  const test::TempFolder folder;
  SafetensorsWriter writer(folder / "deep/er", {});
  writer.finish();
  CHECK(test::TensorFile::open(folder / "deep/er/model.safetensors").names().empty());
}

TEST_CASE("sparse: unwritten tensors are holes that read as zeros") {
  const test::TempFolder folder;
  constexpr int64_t kLarge = int64_t{1} << 40;
  SafetensorsOptions options;
  options.sparse = true;
  options.max_shard_bytes = std::numeric_limits<int64_t>::max();
  SafetensorsWriter writer(
      folder.path(), {{"hole", DType::F8_E4M3, {1 << 20, 1 << 20}}, {"norm", DType::F32, {2}}}, options);
  const float norm[2] = {1.5f, -2.0f};
  writer.append("norm", norm, sizeof norm);
  writer.finish();
  const MappedFile file(folder / "model.safetensors");
  const auto tensors = read_safetensors(file);
  REQUIRE(tensors.size() == 2);
  CHECK(file.size() > kLarge);
  CHECK(tensors[1].name == "hole");
  CHECK(file.data()[tensors[1].offset + kLarge / 2] == std::byte{0});
  std::vector<std::byte> written(sizeof norm);
  std::memcpy(written.data(), norm, sizeof norm);
  CHECK(std::equal(written.begin(), written.end(), file.data() + tensors[0].offset));
  struct stat status{};
  REQUIRE(::stat((folder / "model.safetensors").c_str(), &status) == 0);
  CHECK(status.st_blocks * 512 < 1 << 20);
}

TEST_CASE("an unfinished writer, or an incomplete tensor, leaves nothing") {
  const test::TempFolder folder;
  const float two[2] = {1, 2};
  {
    const SafetensorsWriter writer(folder.path(), {{"t", DType::F32, {2}}});
  }
  CHECK(folder.names().empty());
  for (const bool sparse : {false, true}) {
    SafetensorsOptions options;
    options.sparse = sparse;
    SafetensorsWriter writer(folder.path(), {{"t", DType::F32, {2}}}, options);
    writer.append("t", two, 4);
    CHECK_THROWS_WITH_AS(
        writer.finish(),
        ((folder / "model.safetensors").string() + ": tensor t: expected 8 bytes, found 4 written").c_str(),
        Error);
  }
  CHECK(folder.names().empty());
  SafetensorsWriter writer(folder.path(), {{"t", DType::F32, {2}}});
  CHECK_THROWS_WITH_AS(writer.append("u", two, 8), "tensor u: expected a declared name", Error);
  writer.append("t", two, 4);
  CHECK_THROWS_WITH_AS(writer.append("t", two, 8), "tensor t: expected 8 bytes, found 8 more after 4", Error);
  CHECK_THROWS_AS(writer.append("t", two, -1), Error);
  writer.append("t", two + 1, 4);
  writer.finish();
  CHECK_THROWS_AS(writer.append("t", two, 0), Error);
  CHECK_THROWS_AS(writer.finish(), Error);
  CHECK(test::TensorFile::open(folder / "model.safetensors").f32("t") == std::vector<float>{1, 2});
}

TEST_CASE("bad declarations and folders are refused, and leave nothing") {
  const test::TempFolder folder;
  const auto refused = [&](const std::vector<TensorDeclaration>& tensors, const char* message) {
    CHECK_THROWS_WITH_AS(SafetensorsWriter(folder.path(), tensors), message, Error);
    CHECK(folder.names().empty());
  };
  refused({{"a", DType::F32, {1}}, {"a", DType::F32, {1}}}, "tensor a: expected once, found twice");
  refused({{"a", DType::F32, {-1}}}, "tensor a: expected sizes from 0, found -1");
  refused({{"a", DType::Q8_0, {32}}}, "tensor a: expected a dtype of safetensors, found Q8_0");
  refused({{"__metadata__", DType::F32, {1}}}, "tensor __metadata__: expected another name");
  refused({{"\xff", DType::F32, {1}}}, "safetensors: expected names and metadata in UTF-8, found \\xff");
  refused({{"a", DType::F4_E2M1, {2, 3}}},
          "tensor a: expected rows in whole blocks of 2 F4_E2M1 values and less than 2^62 bytes, found rows "
          "of 3");
  const int64_t huge = int64_t{1} << 31;
  refused({{"a", DType::F32, {huge, huge}}},
          "tensor a: expected rows in whole blocks of 1 F32 values and less than 2^62 bytes, found rows of "
          "2147483648");
  refused({{"a", DType::F32, {huge, huge, huge}}},
          "tensor a: expected rows in whole blocks of 1 F32 values and less than 2^62 bytes, found rows of "
          "2147483648");

  write_atomically(folder / "model-00001-of-00002.safetensors", "x");
  CHECK_THROWS_WITH_AS(SafetensorsWriter(folder.path(), {{"a", DType::F32, {1}}}),
                       (folder.path().string() +
                        ": expected a folder without a checkpoint, found model-00001-of-00002.safetensors")
                           .c_str(),
                       Error);
  CHECK_THROWS_AS(SafetensorsWriter(folder / "model-00001-of-00002.safetensors/x", {}), Error);
}

// What goes wrong, and that the folder is empty afterwards.
void check_full_disk(const test::TempFolder& folder, int64_t limit_before, int64_t limit_after,
                     const std::string& message) {
  std::vector<TensorDeclaration> tensors;
  for (int i = 0; i < 4; ++i) tensors.push_back({fmt::format("t{}", i), DType::U8, {4096}});
  SafetensorsOptions options;
  options.max_shard_bytes = 8192;
  std::string found;
  try {
    const test::FileSizeLimit before(limit_before);
    SafetensorsWriter writer(folder.path(), tensors, options);
    const test::FileSizeLimit after(limit_after);
    write_all(writer, tensors);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::io);
    found = error.message();
  }
  CHECK(found == message);
  CHECK(folder.names().empty());
}

TEST_CASE("a disk that is too small is known before anything is reserved on it") {
  const test::TempFolder folder;
  std::vector<TensorDeclaration> tensors;
  // A file of the first would fit, all of them nowhere.
  tensors.push_back({"small", DType::U8, {64}});
  for (int i = 0; i < 8; ++i) tensors.push_back({fmt::format("t{}", i), DType::U8, {int64_t{1} << 57}});
  SafetensorsOptions options;
  options.max_shard_bytes = 8192;
  try {
    const SafetensorsWriter writer(folder.path(), tensors, options);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::io);
    CHECK(error.message().find("expected 1152921504606847040 bytes free on the disk") != std::string::npos);
  }
  CHECK(folder.names().empty());
}

TEST_CASE("a full disk gives one clear error, early, and leaves nothing") {
  const test::TempFolder folder;
  const std::string first = (folder / "model-00001-of-00002.safetensors").string();
  constexpr int64_t kNone = 1 << 20;
  const auto size = [&] {  // of the first shard: data and header
    const test::TempFolder other;
    SafetensorsOptions options;
    options.max_shard_bytes = 8192;
    std::vector<TensorDeclaration> tensors;
    for (int i = 0; i < 4; ++i) tensors.push_back({fmt::format("t{}", i), DType::U8, {4096}});
    SafetensorsWriter writer(other.path(), tensors, options);
    write_all(writer, tensors);
    return std::filesystem::file_size(other / writer.files()[0]);
  }();
  check_full_disk(folder, 5000, kNone,
                  first + ": expected to reserve " + std::to_string(size) + " bytes, found: File too large");
  check_full_disk(folder, kNone, 5000, first + ": expected to write 4096 bytes, found: File too large");
}

}  // namespace
}  // namespace fathom

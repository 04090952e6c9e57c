#include "checkpoint/gguf_split.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// What the name of a part says.
struct PartName {
  std::string prefix;  // folder included
  int64_t number, count;

  fs::path sibling(int64_t other) const {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, other, count);
  }
};

std::optional<int64_t> five_digits(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

std::optional<PartName> part_name(const fs::path& path) {
  constexpr std::string_view kForm = "-00001-of-00001.gguf";
  const std::string text = path.string();
  if (text.size() < kForm.size()) return std::nullopt;
  const std::string_view end = std::string_view(text).substr(text.size() - kForm.size());
  if (end[0] != '-' || end.substr(6, 4) != "-of-" || !end.ends_with(".gguf")) return std::nullopt;
  const auto number = five_digits(end.substr(1, 5)), count = five_digits(end.substr(10, 5));
  if (!number || !count || *number > *count) return std::nullopt;
  return PartName{text.substr(0, text.size() - kForm.size()), *number, *count};
}

GgufPart read_part(const fs::path& path) {
  auto mapped = std::make_unique<const MappedFile>(path);
  GgufFile file = read_gguf(*mapped);
  return {std::move(mapped), std::move(file)};
}

GgufPart read_sibling(const PartName& name, int64_t number) {
  const fs::path path = name.sibling(number);
  std::error_code error;
  if (!fs::exists(path, error)) {
    fail(ErrorCode::not_found, "{}: expected part {} of {}, found no such file",
         printable(path.string(), 400), number, name.count);
  }
  return read_part(path);
}

void check_belongs(const GgufMetadata& metadata, int64_t number, int64_t count) {
  const int64_t stated = metadata.integer("split.count");
  if (stated != count) metadata.refuse("split.count", std::to_string(count), std::to_string(stated));
  const int64_t no = metadata.integer("split.no");
  if (no != number - 1) metadata.refuse("split.no", std::to_string(number - 1), std::to_string(no));
}

}  // namespace

std::vector<GgufPart> read_gguf_parts(const fs::path& path) {
  std::vector<GgufPart> parts;
  GgufPart named = read_part(path);
  const GgufMetadata& metadata = named.file.metadata;
  const int64_t count = metadata.has("split.count") ? metadata.integer("split.count") : 1;
  if (count <= 1) {
    parts.push_back(std::move(named));
    return parts;
  }
  const auto name = part_name(path);
  if (!name || name->count != count) {
    bad_input("{}: split.count: expected a file named like MODEL-00001-of-{:05}.gguf, found another",
              printable(path.string(), 400), count);
  }
  for (int64_t number = 1; number <= count; ++number) {
    if (number != name->number) parts.push_back(read_sibling(*name, number));
  }
  parts.insert(parts.begin() + (name->number - 1), std::move(named));
  int64_t tensors = 0;
  for (int64_t number = 1; number <= count; ++number) {
    const GgufFile& file = parts[static_cast<size_t>(number - 1)].file;
    check_belongs(file.metadata, number, count);
    tensors += std::ssize(file.tensors);
  }
  const GgufMetadata& first = parts.front().file.metadata;
  constexpr const char* kTensors = "split.tensors.count";
  if (first.has(kTensors) && first.integer(kTensors) != tensors) {
    first.refuse(kTensors, std::to_string(tensors) + ", as the parts have together",
                 std::to_string(first.integer(kTensors)));
  }
  return parts;
}

}  // namespace fathom

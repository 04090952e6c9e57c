#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_catalog.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;
namespace dom = simdjson::dom;

constexpr int64_t kMaxConfigBytes = 16 << 20;
constexpr int64_t kMaxIndexBytes = 256 << 20;
constexpr int64_t kMaxTokenizerBytes = 256 << 20;
constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";

std::string shown(const fs::path& path) { return printable(path.string(), 400); }

/// model.safetensors.index.json: which shard has which tensor.
struct Index {
  std::map<std::string, std::string, std::less<>> shard_of;
  std::optional<int64_t> total_size;
};

/// A shard must be a plain file of the folder: no separators, no way out of it, not another index.
void check_shard_name(std::string_view shard, std::string_view tensor) {
  const bool plain =
      shard.find('/') == std::string_view::npos && shard.find('\\') == std::string_view::npos &&
      shard.find('\0') == std::string_view::npos && !shard.starts_with('.') && shard.size() <= 255 &&
      shard.ends_with(".safetensors") && shard.size() > std::string_view(".safetensors").size();
  if (!plain) {
    bad_input("weight_map: {}: expected a plain file name ending in .safetensors, found \"{}\"",
              printable(tensor), printable(shard));
  }
}

Index parse_index(const std::string& text) {
  dom::parser parser;
  dom::object root, map;
  const simdjson::padded_string copy(text);
  if (const auto error = parser.parse(copy).get(root); error != simdjson::SUCCESS) {
    bad_input("expected a JSON object, found: {}", simdjson::error_message(error));
  }
  Index index;
  bool found = false;
  for (const auto& [key, value] : root) {
    if (key == "metadata") {
      // Optional, and written as a float by some tools.
      double total = 0;
      if (value["total_size"].get(total) == simdjson::SUCCESS && total >= 0 && total < 9e18) {
        index.total_size = static_cast<int64_t>(total);
      }
    }
    if (key != "weight_map") continue;
    if (std::exchange(found, true)) bad_input("weight_map: expected once, found twice");
    if (value.get(map) != simdjson::SUCCESS)
      bad_input("weight_map: expected an object, found something else");
    for (const auto& [tensor, file] : map) {
      std::string_view shard;
      if (file.get(shard) != simdjson::SUCCESS) {
        bad_input("weight_map: {}: expected a file name, found something else", printable(tensor));
      }
      check_shard_name(shard, tensor);
      if (!index.shard_of.emplace(tensor, shard).second) {
        bad_input("weight_map: {}: expected once, found twice", printable(tensor));
      }
    }
  }
  if (!found) bad_input("weight_map: expected an object, found nothing");
  if (index.shard_of.empty()) bad_input("weight_map: expected at least one tensor, found none");
  return index;
}

/// Reads files into `parts`; keeps the stored names that the catalog points to.
class HuggingFaceReader {
 public:
  explicit HuggingFaceReader(fs::path path) { parts_.path = std::move(path); }

  std::shared_ptr<const Checkpoint> read() {
    const bool folder = fs::is_directory(parts_.path);
    const fs::path home = folder ? parts_.path : parts_.path.parent_path();
    if (!folder) {
      add_file(parts_.path, {}, nullptr);
    } else if (fs::exists(home / kSingleFile)) {
      add_file(home / kSingleFile, {}, nullptr);
    } else if (fs::exists(home / kIndexFile)) {
      add_shards(home);
    } else {
      fail(ErrorCode::not_found, "{}: expected {} or {}, found neither", shown(home), kSingleFile,
           kIndexFile);
    }
    parts_.config_json = read_text(home / "config.json", kMaxConfigBytes);
    parts_.tokenizer_json = [file = home / "tokenizer.json"] {
      return fs::exists(file) ? read_text(file, kMaxTokenizerBytes) : std::string();
    };
    parts_.naming = parts_.catalog.naming;
    return make_checkpoint(std::move(parts_));
  }

 private:
  void add_shards(const fs::path& folder) {
    const std::string where = shown(folder / kIndexFile);
    const Index index =
        in_context(where, [&] { return parse_index(read_text(folder / kIndexFile, kMaxIndexBytes)); });
    std::map<std::string_view, int64_t> shards;  // shard -> tensors the index expects in it
    for (const auto& [tensor, shard] : index.shard_of) ++shards[shard];
    int64_t total = 0;
    for (const auto& [shard, count] : shards) {
      if (!fs::exists(folder / shard)) {
        fail(ErrorCode::not_found, "{}: weight_map: expected shard {} in the folder, found no such file",
             where, printable(shard));
      }
      add_file(folder / shard, shard, &index);
      for (const SafetensorsTensor& t : headers_.back()) total += t.bytes;
      if (std::ssize(headers_.back()) != count) report_missing(index, shard, where);
    }
    if (index.total_size && *index.total_size != total) {
      parts_.notes.push_back(
          fmt::format("{}: metadata.total_size: expected {} (bytes of all tensors), found {}", where, total,
                      *index.total_size));
    }
  }

  /// The shard's tensors are all in the index (add_file), so one of the index's is not in the shard.
  [[noreturn]] void report_missing(const Index& index, std::string_view shard, const std::string& where) {
    std::vector<std::string_view> stored;
    for (const SafetensorsTensor& t : headers_.back()) stored.push_back(t.name);
    std::sort(stored.begin(), stored.end());
    for (const auto& [tensor, file] : index.shard_of) {
      if (file != shard || std::binary_search(stored.begin(), stored.end(), tensor)) continue;
      bad_input("{}: tensor {}: expected in shard {}, found nothing", where, printable(tensor),
                printable(shard));
    }
    fail(ErrorCode::internal, "{}: shard {} does not match the index", where, printable(shard));
  }

  void add_file(const fs::path& path, std::string_view shard, const Index* index) {
    parts_.files.push_back(std::make_unique<MappedFile>(path));
    const MappedFile& file = *parts_.files.back();
    headers_.push_back(read_safetensors(file));
    for (const SafetensorsTensor& t : headers_.back()) {
      if (index != nullptr) {
        const auto found = index->shard_of.find(t.name);
        if (found == index->shard_of.end() || found->second != shard) {
          bad_input("{}: tensor {}: expected {}, found it here", shown(path), printable(t.name),
                    found == index->shard_of.end() ? "an entry for it in the index"
                                                   : "it in shard " + printable(found->second));
        }
      }
      parts_.catalog.add(parse_stored_name(t.name), t.name,
                         {t.dtype, t.shape, file.data() + t.offset, t.bytes, t.bytes, file.path()});
    }
  }

  CheckpointParts parts_;
  std::vector<std::vector<SafetensorsTensor>> headers_;
};

}  // namespace

std::shared_ptr<const Checkpoint> open_hugging_face(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    fail(ErrorCode::not_found, "{}: expected a model folder, a .safetensors or a .gguf file, found nothing",
         shown(path));
  }
  try {
    return HuggingFaceReader(path).read();
  } catch (const fs::filesystem_error& e) {
    fail(ErrorCode::io, "{}: expected a readable folder, found: {}", shown(path), e.code().message());
  }
}

}  // namespace fathom

#include "checkpoint/safetensors_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/new_folders.h"
#include "checkpoint/tensor_output.h"

namespace fathom {
namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";

// A tensor as the file spells it.
struct Stored {
  TensorDeclaration tensor;
  int64_t bytes = 0;
};

std::string json_text(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    bad_input("safetensors: expected names and metadata in UTF-8, found {}", printable(text));
  }
}

Stored stored_form(TensorDeclaration tensor) {
  Stored out;
  out.bytes = tensor_bytes(tensor);
  if (block_values(tensor.dtype) > 2) {
    fail(ErrorCode::unsupported, "tensor {}: expected a dtype of safetensors, found {}",
         printable(tensor.name), name(tensor.dtype));
  }
  if (tensor.name == "__metadata__") bad_input("tensor __metadata__: expected another name");
  if (tensor.dtype == DType::F4_E2M1) {
    tensor.dtype = DType::I8;
    if (tensor.shape.empty()) tensor.shape = {1};
    tensor.shape.back() /= 2;
  }
  out.tensor = std::move(tensor);
  return out;
}

// Tensors in declared order, cut where the next would go beyond the limit.
std::vector<std::vector<Stored>> shards_of(const std::vector<TensorDeclaration>& tensors, int64_t limit) {
  std::vector<std::vector<Stored>> shards(1);
  int64_t used = 0;
  for (const TensorDeclaration& declared : tensors) {
    Stored stored = stored_form(declared);
    if (!shards.back().empty() && stored.bytes > limit - used) {
      shards.emplace_back();
      used = 0;
    }
    used += stored.bytes;
    shards.back().push_back(std::move(stored));
  }
  for (auto& shard : shards) {
    std::stable_sort(shard.begin(), shard.end(), [](const Stored& a, const Stored& b) {
      return block_bytes(a.tensor.dtype) > block_bytes(b.tensor.dtype);
    });
  }
  return shards;
}

// Length and JSON of a file's header, padded so that the data start at a multiple of 8.
std::string header_of(const std::vector<Stored>& shard, const std::map<std::string, std::string>& metadata) {
  std::string json = "{";
  const char* comma = "";
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      json += fmt::format("{}{}:{}", std::exchange(comma, ","), json_text(key), json_text(value));
    }
    json += "}";
    comma = ",";
  }
  int64_t offset = 0;
  for (const Stored& stored : shard) {
    std::string shape;
    for (const int64_t dimension : stored.tensor.shape) {
      shape += fmt::format("{}{}", shape.empty() ? "" : ",", dimension);
    }
    json += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", comma,
                        json_text(stored.tensor.name), name(stored.tensor.dtype), shape, offset,
                        offset + stored.bytes);
    offset += stored.bytes;
    comma = ",";
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  uint64_t length = json.size();
  std::string header(sizeof length, '\0');
  for (size_t i = 0; i < sizeof length; ++i) header[i] = static_cast<char>(length >> (8 * i));
  return header + json;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return;
  fail(ErrorCode::io, "{}: expected to create the folder, found: {}", printable(folder.string(), 400),
       error.message());
}

// The files of a checkpoint that the folder holds.
std::vector<std::string> old_files(const std::filesystem::path& folder, bool replace) {
  const std::string shown = printable(folder.string(), 400);
  std::error_code error;
  std::vector<std::string> old;
  std::filesystem::directory_iterator it(folder, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string file = it->path().filename().string();
    if (!file.ends_with(".safetensors") && file != kIndexName) continue;
    if (!replace) bad_input("{}: expected a folder without a checkpoint, found {}", shown, printable(file));
    old.push_back(file);
  }
  if (error) fail(ErrorCode::io, "{}: expected to list the folder, found: {}", shown, error.message());
  return old;
}

// Holds a folder for one writer: two would leave a mixture of their shards. Where the file system has no
// locks, nothing is held.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : file_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (file_ < 0 || ::flock(file_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
    ::close(file_);
    fail(ErrorCode::io,
         "{}: expected a folder that nothing else writes a checkpoint into, found one that does",
         printable(folder.string(), 400));
  }
  ~FolderLock() {
    if (file_ >= 0) ::close(file_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_;
};

// Before the first file is reserved: else the disk is full for everybody until the last one fails.
void check_space(const std::filesystem::path& folder, int64_t bytes) {
  std::error_code error;
  const auto free = std::filesystem::space(folder, error).available;
  if (!error && free < static_cast<uintmax_t>(bytes)) {
    fail(ErrorCode::io, "{}: expected {} bytes free on the disk, found {}", printable(folder.string(), 400),
         bytes, free);
  }
}

}  // namespace

struct SafetensorsWriter::State {
  explicit State(std::filesystem::path path, bool sparse)
      : folder(std::move(path)), made(folder), output(sparse) {}

  std::filesystem::path folder;
  NewFolders made;
  std::optional<FolderLock> lock;
  TensorOutput output;
  std::vector<std::string> files, old_files;
  int64_t total_bytes = 0;
  nlohmann::json weight_map = nlohmann::json::object();
};

SafetensorsWriter::SafetensorsWriter(std::filesystem::path folder,
                                     const std::vector<TensorDeclaration>& tensors,
                                     const SafetensorsOptions& options)
    : state_(new State(std::move(folder), options.sparse)) {
  const auto shards = shards_of(tensors, options.max_shard_bytes);
  for (const auto& shard : shards) {
    for (const Stored& stored : shard) {
      if (__builtin_add_overflow(state_->total_bytes, stored.bytes, &state_->total_bytes)) {
        bad_input("safetensors: expected less than 2^63 bytes of tensors");
      }
    }
  }
  make_folder(state_->folder);
  state_->lock.emplace(state_->folder);
  state_->old_files = old_files(state_->folder, options.replace);
  if (!options.sparse) check_space(state_->folder, state_->total_bytes);
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string file =
        shards.size() == 1 ? options.stem + ".safetensors"
                           : fmt::format("{}-{:05}-of-{:05}.safetensors", options.stem, i + 1, shards.size());
    const std::string header = header_of(shards[i], options.metadata);
    auto offset = static_cast<int64_t>(header.size());
    int64_t size = offset;
    for (const Stored& stored : shards[i]) size += stored.bytes;
    const size_t index = state_->output.add_file(state_->folder / file, size, header);
    for (const Stored& stored : shards[i]) {
      state_->output.add_tensor(stored.tensor.name, index, offset, stored.bytes);
      state_->weight_map[stored.tensor.name] = file;
      offset += stored.bytes;
    }
    state_->files.push_back(file);
  }
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::append(std::string_view name, const void* data, int64_t bytes) {
  state_->output.append(name, data, bytes);
}

void SafetensorsWriter::finish() {
  State& s = *state_;
  s.output.finish();
  if (s.files.size() > 1) write_index();
  s.made.keep();
  for (const std::string& file : s.old_files) {
    const bool replaced = (file == kIndexName && s.files.size() > 1) ||
                          std::find(s.files.begin(), s.files.end(), file) != s.files.end();
    std::error_code error;
    if (!replaced && !std::filesystem::remove(s.folder / file, error) && error) {
      fail(ErrorCode::io, "{}: expected to remove the old checkpoint's file, found: {}",
           printable((s.folder / file).string(), 400), error.message());
    }
  }
}

void SafetensorsWriter::write_index() {
  const nlohmann::json index = {{"metadata", {{"total_size", state_->total_bytes}}},
                                {"weight_map", std::move(state_->weight_map)}};
  try {
    write_atomically(state_->folder / kIndexName, index.dump(2) + "\n");
  } catch (const Error&) {
    state_->output.withdraw();
    throw;
  }
}

const std::vector<std::string>& SafetensorsWriter::files() const { return state_->files; }
int64_t SafetensorsWriter::total_bytes() const { return state_->total_bytes; }

}  // namespace fathom

#include "checkpoint/weights_hash.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <memory>
#include <set>

namespace fathom {
namespace {

constexpr int64_t kHashedWhole = int64_t{1} << 30;
constexpr int64_t kSample = 4096;

class Hash {
 public:
  Hash() { XXH3_128bits_reset(state_.get()); }
  void bytes(const void* data, int64_t size) {
    XXH3_128bits_update(state_.get(), data, static_cast<size_t>(size));
  }
  void number(int64_t value) { bytes(&value, sizeof value); }
  void text(const std::string& text) {
    number(std::ssize(text));
    bytes(text.data(), std::ssize(text));
  }
  std::string digest() const {
    const XXH128_hash_t sum = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", static_cast<uint64_t>(sum.high64), static_cast<uint64_t>(sum.low64));
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_{XXH3_createState()};
};

// Row by row: those of a slice of columns do not follow each other.
void add_bytes(const TensorView& view, bool whole, Hash& hash) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < view.shape.size(); ++i) rows *= view.shape[i];
  if (view.bytes == 0 || rows == 0) return;
  const int64_t row = view.bytes / rows;
  if (!whole) return hash.bytes(view.data, std::min(row, kSample));
  if (rows == 1 || row == view.row_bytes) return hash.bytes(view.data, view.bytes);
  for (int64_t r = 0; r < rows; ++r) hash.bytes(view.data + r * view.row_bytes, row);
}

}  // namespace

std::string weights_hash(const Checkpoint& checkpoint) {
  Hash hash;
  hash.text(checkpoint.config_json());
  int64_t total = 0;
  for (const std::string& name : checkpoint.names()) total += checkpoint.tensor(name).bytes;
  std::set<std::string> files;
  for (const std::string& name : checkpoint.names()) {
    const TensorView view = checkpoint.tensor(name);
    hash.text(name);
    hash.number(static_cast<int64_t>(view.dtype));
    for (const int64_t size : view.shape) hash.number(size);
    add_bytes(view, total <= kHashedWhole, hash);
    files.emplace(view.file);
  }
  if (total <= kHashedWhole) return hash.digest();
  for (const std::string& file : files) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) continue;
    hash.number(status.st_size);
    hash.number(status.st_mtim.tv_sec);
    hash.number(status.st_mtim.tv_nsec);
  }
  return hash.digest();
}

}  // namespace fathom

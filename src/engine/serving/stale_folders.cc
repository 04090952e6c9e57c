#include "engine/serving/stale_folders.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <optional>

namespace fathom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kClaim = "in-use";  // a file that is locked while somebody uses the folder

// A descriptor that holds the folder's lock; -1: somebody else does, or there can be none.
int claim(const fs::path& folder) {
  const int file = ::open((folder / kClaim).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return -1;
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  ::close(file);
  return -1;
}

bool is_state_file(const fs::path& path) {
  return path.extension() == ".state" || path.extension() == ".part" || path.filename() == kClaim;
}

}  // namespace

FolderClaim::FolderClaim(const fs::path& folder) : file_(claim(folder)) {}
FolderClaim::~FolderClaim() {
  if (file_ >= 0) ::close(file_);
}

StaleFolders::StaleFolders(const fs::path& own) {
  std::error_code error;
  for (const auto& sibling : fs::directory_iterator(own.parent_path(), error)) {
    if (sibling.path() == own || sibling.is_symlink(error) || !sibling.is_directory(error)) continue;
    Folder folder{sibling.path(), 0, fs::file_time_type::min()};
    bool states = false, other = false;
    for (const auto& file : fs::directory_iterator(sibling.path(), error)) {
      if (!is_state_file(file.path()) || !file.is_regular_file(error)) other = true;
      states = states || file.path().extension() == ".state";
      folder.bytes += static_cast<int64_t>(file.file_size(error));
      folder.used = std::max(folder.used, file.last_write_time(error));
    }
    if (error || other || !states) continue;  // not ours to touch
    const int file = claim(sibling.path());
    if (file < 0) continue;
    ::close(file);
    folders_.push_back(std::move(folder));
  }
  std::ranges::sort(folders_, [](const Folder& a, const Folder& b) { return a.used > b.used; });
}

int64_t StaleFolders::bytes() const {
  return std::accumulate(folders_.begin(), folders_.end(), int64_t{0},
                         [](int64_t sum, const Folder& folder) { return sum + folder.bytes; });
}

bool StaleFolders::remove_oldest() {
  if (folders_.empty()) return false;
  const Folder folder = std::move(folders_.back());
  folders_.pop_back();
  const int file = claim(folder.path);
  if (file < 0) return true;  // somebody has begun to use it: its bytes are theirs now
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder.path, error)) {
    if (is_state_file(entry.path())) ::unlink(entry.path().c_str());
  }
  ::rmdir(folder.path.c_str());
  ::close(file);
  return true;
}

}  // namespace fathom

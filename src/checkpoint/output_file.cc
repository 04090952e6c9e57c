#include "checkpoint/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/temporary_files.h"

namespace fathom {
namespace {

/// Repeats a call that a signal interrupted.
template <class Call>
auto retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path, int64_t size, bool sparse)
    : path_(std::move(path)), target_(replaced_file(path_)) {
  // Not mkostemp: its files are readable by the owner alone, whatever the umask says.
  constexpr int kAttempts = 100;
  for (int attempt = 0; fd_ < 0; ++attempt) {
    current_ = fmt::format("{}.partial-{}-{}", target_.string(), ::getpid(), attempt);
    fd_ = ::open(current_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && (errno != EEXIST || attempt == kAttempts)) {
      const int error = errno;
      current_.clear();
      fail_io("create a file of", size, error);
    }
  }
  remember_temporary(current_);
  int error = 0;
  if (!sparse && size > 0) {
    if (retry([&] { return ::fallocate(fd_, 0, 0, size); }) != 0) error = errno;
    if (error == EOPNOTSUPP || error == ENOSYS) error = 0;  // the writes will tell
  }
  if (error == 0 && retry([&] { return ::ftruncate(fd_, size); }) != 0) error = errno;
  if (error != 0) {
    withdraw();
    fail_io("reserve", size, error);
  }
}

OutputFile::~OutputFile() {
  if (!committed_) withdraw();
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      current_(std::exchange(other.current_, {})),
      fd_(std::exchange(other.fd_, -1)),
      committed_(std::exchange(other.committed_, true)) {}

void OutputFile::write_at(int64_t offset, const void* data, int64_t bytes) {
  if (fd_ < 0) open_again();
  const char* next = static_cast<const char*>(data);
  for (int64_t left = bytes; left > 0;) {
    constexpr int64_t kMost = int64_t{1} << 30;  // the system takes less than 2 GiB at once
    const auto count = static_cast<size_t>(std::min(left, kMost));
    const ssize_t done = retry([&] { return ::pwrite(fd_, next, count, offset); });
    if (done < 0) fail_io("write", bytes, errno);
    next += done;
    offset += done;
    left -= done;
  }
}

void OutputFile::release() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void OutputFile::sync() {
  if (fd_ < 0) open_again();
  if (retry([&] { return ::fsync(fd_); }) != 0) fail_io("flush", 0, errno);
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) fail_io("close", 0, errno);
}

void OutputFile::commit() {
  release();
  if (::rename(current_.c_str(), target_.c_str()) != 0) fail_io("rename", 0, errno);
  forget_temporary(current_);
  current_ = target_.string();
  committed_ = true;
}

void OutputFile::withdraw() noexcept {
  release();
  if (!current_.empty()) {
    ::unlink(current_.c_str());
    forget_temporary(current_);
  }
  current_.clear();
}

void OutputFile::open_again() {
  fd_ = retry([&] { return ::open(current_.c_str(), O_RDWR | O_CLOEXEC); });
  if (fd_ < 0) fail_io("open", 0, errno);
}

void OutputFile::fail_io(const char* what, int64_t bytes, int error) const {
  const std::string amount =
      bytes > 0 ? fmt::format("{} {} bytes", what, bytes) : fmt::format("{} the file", what);
  fail(ErrorCode::io, "{}: expected to {}, found: {}", printable(path_.string(), 400), amount,
       std::generic_category().message(error));
}

void sync_folder(const std::filesystem::path& folder) noexcept {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  ::close(fd);
}

}  // namespace fathom

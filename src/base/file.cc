#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/mapped_ranges.h"
#include "base/temporary_files.h"

namespace fathom {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close_now(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close_now() { return fd_ < 0 ? 0 : ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

/// Opens a regular file for reading and sets its size.
int open_regular(const std::string& path, int64_t& size) {
  // O_NONBLOCK: opening a FIFO by mistake must not wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const ErrorCode code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::not_found : ErrorCode::io;
    fail(code, "{}: expected a readable file, found: {}", printable(path, 400), reason(errno));
  }
  struct stat status{};
  const bool failed = ::fstat(fd, &status) != 0;
  const int error = errno;
  if (failed || !S_ISREG(status.st_mode)) {
    ::close(fd);
    fail(ErrorCode::io, "{}: expected a regular file, found {}", printable(path, 400),
         failed                    ? reason(error)
         : S_ISDIR(status.st_mode) ? "a folder"
                                   : "a special file");
  }
  size = static_cast<int64_t>(status.st_size);
  return fd;
}

/// False with errno if not all could be written.
bool write_all(int fd, std::string_view bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

[[noreturn]] void fail_write(const std::string& shown, const char* what, std::string_view bytes, int error) {
  fail(ErrorCode::io, "{}: expected to {} {} bytes, found: {}", shown, what, bytes.size(), reason(error));
}

/// Writes to a device or a pipe, which a file must not take the place of.
void write_special(const std::filesystem::path& path, const std::string& shown, std::string_view bytes) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) fail_write(shown, "open for", bytes, errno);
  if (!write_all(fd.get(), bytes)) fail_write(shown, "write", bytes, errno);
  if (fd.close_now() != 0) fail_write(shown, "close", bytes, errno);
}

}  // namespace

// NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved from, by a conversion that cannot tell
MappedFile::MappedFile(std::filesystem::path path) : path_(std::move(path)) {
  const Descriptor fd(open_regular(path_, size_));
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) {
    fail(ErrorCode::io, "{}: expected to map {} bytes, found: {}", printable(path_, 400), size_,
         reason(errno));
  }
  data_ = static_cast<const std::byte*>(mapped);
  remember_mapped(data_, size_, path_);
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  forget_mapped(data_);
  ::munmap(const_cast<std::byte*>(data_), static_cast<size_t>(size_));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::advise(int64_t offset, int64_t size, Advice advice) const {
  if (data_ == nullptr || offset < 0 || size <= 0 || offset >= size_) return;
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  const int64_t begin = offset / page * page;
  const int64_t end = size > size_ - offset ? size_ : offset + size;
  const int what = advice == Advice::random       ? MADV_RANDOM
                   : advice == Advice::sequential ? MADV_SEQUENTIAL
                   : advice == Advice::will_need  ? MADV_WILLNEED
                                                  : MADV_NORMAL;
  (void)::madvise(const_cast<std::byte*>(data_) + begin, static_cast<size_t>(end - begin), what);
}

std::string read_text(const std::filesystem::path& path, int64_t max_bytes) {
  int64_t size = 0;
  const Descriptor fd(open_regular(path.string(), size));
  const std::string shown = printable(path.string(), 400);
  if (size > max_bytes) bad_input("{}: expected at most {} bytes, found {}", shown, max_bytes, size);
  std::string text(static_cast<size_t>(size), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::read(fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(ErrorCode::io, "{}: expected to read {} bytes, found: {}", shown, size, reason(errno));
    if (n == 0) break;  // cut short since fstat: what is there is what we have
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  return text;
}

std::filesystem::path replaced_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return path;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target;
}

void write_atomically(const std::filesystem::path& path, std::string_view bytes) {
  if (path.empty()) bad_input("output: expected the name of a file, found none");
  const std::string shown = printable(path.string(), 400);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) fail(ErrorCode::io, "{}: expected a file, found a folder", shown);
    if (!S_ISREG(status.st_mode)) return write_special(path, shown, bytes);
  }
  const std::filesystem::path target = replaced_file(path);
  std::string temporary = target.string() + ".XXXXXX";
  Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0)
    fail(ErrorCode::io, "{}: expected to create a file there, found: {}", shown, reason(errno));
  remember_temporary(temporary);
  const auto give_up = [&](const char* what) {
    const int error = errno;
    ::unlink(temporary.c_str());
    forget_temporary(temporary);
    fail_write(shown, what, bytes, error);
  };
  if (!write_all(fd.get(), bytes)) give_up("write");
  // mkostemp makes files only the owner may read; a written file gets what any other new file gets.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd.get(), 0666 & ~mask) != 0 || ::fsync(fd.get()) != 0) give_up("flush");
  if (fd.close_now() != 0) give_up("close");
  if (::rename(temporary.c_str(), target.c_str()) != 0) give_up("rename");
  forget_temporary(temporary);
  // The rename itself is durable once the folder is flushed; a file system that cannot do so keeps the data
  // anyway.
  const std::filesystem::path folder =
      target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
  const Descriptor dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() >= 0) (void)::fsync(dir.get());
}

}  // namespace fathom

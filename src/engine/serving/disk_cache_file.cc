#include "engine/serving/disk_cache_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace fathom {
namespace {

constexpr char kMagic[8] = {'F', 'A', 'T', 'H', 'M', 'P', 'C', '1'};
constexpr int64_t kMaxHeader = int64_t{64} << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool read_exactly(int fd, void* data, size_t size, int64_t offset) {
  auto* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = ::pread(fd, to, size, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    offset += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool write_exactly(int fd, const void* data, size_t size) {
  const auto* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, from, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    from += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class List>
void put_list(std::string& out, const List& list) {
  put(out, static_cast<uint64_t>(list.size()));
  out.append(reinterpret_cast<const char*>(std::data(list)), list.size() * sizeof(list[0]));
}

// Reads what put() wrote; every size is checked against what is left.
class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
  template <class T>
  bool take(T& value) {
    return take_bytes(&value, sizeof value);
  }
  template <class List>
  bool take_list(List& list) {
    uint64_t count = 0;
    using Item = typename List::value_type;
    if (!take(count) || count > (bytes_.size() - at_) / sizeof(Item)) return false;
    list.resize(static_cast<size_t>(count));
    return take_bytes(list.data(), list.size() * sizeof(Item));
  }
  bool empty() const { return at_ == bytes_.size(); }

 private:
  bool take_bytes(void* to, size_t size) {
    if (bytes_.size() - at_ < size) return false;
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), size, static_cast<char*>(to));
    at_ += size;
    return true;
  }
  std::string bytes_;
  size_t at_ = 0;
};

}  // namespace

std::string cache_header(DiskCache::Entry& entry, const std::string& identity, int64_t state_bytes) {
  std::string body;
  put_list(body, identity);
  put_list(body, entry.scope);
  put_list(body, entry.ids);
  put_list(body, entry.held);
  put(body, entry.state_sum);
  put(body, state_bytes);
  std::string out(kMagic, sizeof kMagic);
  put(out, static_cast<uint64_t>(body.size()));
  out += body;
  put(out, static_cast<uint64_t>(XXH3_64bits(out.data(), out.size())));
  entry.bytes = static_cast<int64_t>(out.size()) + state_bytes;
  return out;
}

std::optional<DiskCache::Entry> read_cache_header(const std::filesystem::path& path, std::string& identity) {
  identity.clear();
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  char start[16];
  if (!read_exactly(fd.get(), start, sizeof start, 0) || std::memcmp(start, kMagic, sizeof kMagic) != 0)
    return std::nullopt;
  uint64_t size = 0;
  std::memcpy(&size, start + 8, sizeof size);
  const auto most = static_cast<uint64_t>(std::min<int64_t>(status.st_size, kMaxHeader));
  if (size > most || size + 24 > static_cast<uint64_t>(status.st_size)) return std::nullopt;
  std::string bytes(static_cast<size_t>(size) + 24, '\0');
  if (!read_exactly(fd.get(), bytes.data(), bytes.size(), 0)) return std::nullopt;
  uint64_t sum = 0;
  std::memcpy(&sum, bytes.data() + bytes.size() - 8, sizeof sum);
  if (sum != XXH3_64bits(bytes.data(), bytes.size() - 8)) return std::nullopt;

  Reader reader(bytes.substr(16, static_cast<size_t>(size)));
  DiskCache::Entry entry({});
  int64_t state_bytes = 0;
  const bool whole = reader.take_list(identity) && reader.take_list(entry.scope) &&
                     reader.take_list(entry.ids) && reader.take_list(entry.held) &&
                     reader.take(entry.state_sum) && reader.take(state_bytes) && reader.empty();
  entry.path = path;
  entry.bytes = status.st_size;
  entry.last_used = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (!whole || state_bytes != status.st_size - static_cast<int64_t>(bytes.size()) || entry.ids.empty())
    return std::nullopt;
  return entry;
}

bool read_cache_state(const DiskCache::Entry& entry, KvState& state) {
  const Descriptor fd(::open(entry.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0 || status.st_size != entry.bytes) return false;
  uint64_t header = 0, sum = 0;
  if (!read_exactly(fd.get(), &header, sizeof header, 8)) return false;
  const int64_t begin = static_cast<int64_t>(header) + 24;
  if (header > static_cast<uint64_t>(entry.bytes) || begin + 8 > entry.bytes) return false;
  std::vector<std::byte> bytes(static_cast<size_t>(entry.bytes - begin));
  if (!read_exactly(fd.get(), bytes.data(), bytes.size(), begin)) return false;
  std::memcpy(&sum, bytes.data() + bytes.size() - 8, sizeof sum);
  if (sum != entry.state_sum) return false;
  try {
    state.load(bytes);
  } catch (const Error&) {
    return false;
  }
  return state.position() == std::ssize(entry.ids);
}

void write_cache_file(const std::filesystem::path& path, std::string_view header,
                      std::span<const std::byte> state) {
  const std::string temporary = path.string() + ".part";
  int error = 0;
  {
    const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (fd.get() < 0 || !write_exactly(fd.get(), header.data(), header.size()) ||
        !write_exactly(fd.get(), state.data(), state.size()) || ::fdatasync(fd.get()) != 0)
      error = errno;
  }
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(temporary.c_str());
  fail(ErrorCode::io, "{}: expected to write {} bytes, found: {}", printable(path.string(), 400),
       header.size() + state.size(), std::strerror(error));
}

}  // namespace fathom

#pragma once
/// Files: read-only mappings, whole small texts, and writes that appear at once or not at all.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace fathom {

/// A regular file mapped read-only. Errors name the path. The file must not be cut short while it is mapped
/// (the kernel then answers a read with SIGBUS); replacing it by rename is safe.
class MappedFile {
 public:
  enum class Advice { normal, random, sequential, will_need };

  /// Throws Error(not_found) if there is no such file, Error(io) if it is not a regular file or cannot be
  /// mapped. An empty file is legal: data() is then not to be read.
  explicit MappedFile(std::filesystem::path path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  /// Tells the kernel how bytes [offset, offset + size) will be read; a hint, never an error.
  void advise(int64_t offset, int64_t size, Advice advice) const;

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

/// The whole file as text. Throws Error(not_found), Error(io), or Error(bad_input) if it is longer than
/// max_bytes.
std::string read_text(const std::filesystem::path& path, int64_t max_bytes);

/// The file that a new one written to `path` takes the place of: of a link to a regular file, what it names,
/// so that the link stays; else `path` itself.
std::filesystem::path replaced_file(const std::filesystem::path& path);

/// Writes a temporary file beside `path` (of a link: what it names), flushes it and renames: readers see the
/// old file or the whole new one. Devices and pipes are written as they are. Throws Error(io) naming the
/// path.
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace fathom

#pragma once
/// A file being written at known offsets under a temporary name; internal to the checkpoint writers.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace fathom {

/// Appears at `path` on commit() (of a link to a file: in the place of that file); until then its bytes are
/// in "path.partial-...", which the destructor removes. All functions throw Error(io) naming `path`.
class OutputFile {
 public:
  /// Makes the temporary file with `size` bytes: reserved on the disk, so that a full one shows now and not
  /// after hours, or all holes if sparse.
  OutputFile(std::filesystem::path path, int64_t size, bool sparse);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// The folder that the bytes are in.
  std::filesystem::path folder() const { return target_.parent_path(); }

  void write_at(int64_t offset, const void* data, int64_t bytes);
  /// Closes the descriptor, so that many files can be under way; write_at and sync open it again.
  void release() noexcept;
  /// Flushes to the disk, then releases.
  void sync();
  /// Renames to path(). Call sync() before.
  void commit();
  /// Removes the file again, whatever its name is by now.
  void withdraw() noexcept;

 private:
  void open_again();
  [[noreturn]] void fail_io(const char* what, int64_t bytes, int error) const;

  std::filesystem::path path_;
  std::filesystem::path target_;  ///< path_, or what it is a link to
  std::string current_;           ///< name that the bytes have now; empty once withdrawn or moved from
  int fd_ = -1;
  bool committed_ = false;
};

/// Flushes a folder's list of names to the disk; file systems that cannot are passed over.
void sync_folder(const std::filesystem::path& folder) noexcept;

}  // namespace fathom

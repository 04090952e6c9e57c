#include "cli/output_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/temporary_files.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

// Makes a file beside `path` and removes it: permissions, read-only and full systems and lists of names alike
// show only so.
void try_beside(const fs::path& path, const std::string& shown) {
  std::string temporary = path.string() + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) {
    fail(ErrorCode::io, "{}: expected to create a file there, found: {}", shown,
         std::generic_category().message(errno));
  }
  remember_temporary(temporary);
  ::close(fd);
  ::unlink(temporary.c_str());
  forget_temporary(temporary);
}

}  // namespace

void check_output_file(const std::string& path) {
  if (path.empty()) return;
  const std::string shown = printable(path, 400);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    if (S_ISDIR(status.st_mode)) fail(ErrorCode::io, "{}: expected a file, found a folder", shown);
    if (::access(path.c_str(), W_OK) == 0) return;  // opening a pipe would wait for its reader
    fail(ErrorCode::io, "{}: expected to write there, found: {}", shown,
         std::generic_category().message(errno));
  }
  try_beside(replaced_file(path), shown);
}

void check_output_folder(const std::string& path) {
  if (path.empty()) return;
  std::error_code error;
  fs::path folder = fs::absolute(path, error).lexically_normal();
  while (folder.has_relative_path() && !fs::exists(folder, error)) folder = folder.parent_path();
  const std::string shown = printable(path, 400);
  if (!fs::is_directory(folder, error)) {
    fail(ErrorCode::io, "{}: expected a folder, found that {} is none", shown,
         printable(folder.string(), 400));
  }
  try_beside(folder / "fathom", shown);
}

}  // namespace fathom::cli

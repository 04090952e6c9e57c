#pragma once
/// What the fuzz targets share. A target may end by returning or by fathom::Error with a message on one line;
/// everything else (another exception, a sanitizer's finding, too much memory or time) is a crash.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fathom::fuzz {

/// Ends the program as a finding.
[[noreturn]] inline void found(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}
inline void expect(bool condition, const char* what) {
  if (!condition) found(what);
}

/// Runs f, which may throw Error.
template <class F>
void may_refuse(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    expect(error.code() != ErrorCode::internal, "an internal error is a bug");
    expect(!error.message().empty(), "an error says something");
    for (const char c : error.message()) {
      expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "an error is one line of printable text");
    }
  }
}

inline std::string_view as_text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A folder of this process in memory, for parsers of files.
inline const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    std::string name = "/dev/shm/fathom-fuzz-XXXXXX";
    expect(mkdtemp(name.data()) != nullptr, "no folder in /dev/shm");
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(folder(), ignored);
    });
    return std::filesystem::path(name);
  }();
  return path;
}

/// Writes the input as a file of folder().
inline std::filesystem::path as_file(const char* name, const uint8_t* data, size_t size) {
  std::filesystem::path path = folder() / name;
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  return path;
}

}  // namespace fathom::fuzz

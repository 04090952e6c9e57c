#pragma once
/// The bytes of a file, for tests.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace fathom::test {

/// All bytes of `path`; empty if it cannot be opened.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

}  // namespace fathom::test

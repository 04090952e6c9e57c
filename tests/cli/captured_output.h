#pragma once
/// What a function writes to standard output.

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>

#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom::test {

inline std::string output_of(const std::function<void()>& f) {
  const TempFolder folder;
  std::fflush(stdout);
  const int saved = dup(STDOUT_FILENO);
  REQUIRE(std::freopen((folder / "out").c_str(), "w", stdout) != nullptr);
  f();
  std::fflush(stdout);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  return read_text(folder / "out");
}

}  // namespace fathom::test

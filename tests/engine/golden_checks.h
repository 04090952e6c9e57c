#pragma once
// Holding a folder of tests/golden to its vectors through the code of `fathom verify`.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "engine/verify/verify.h"

namespace fathom::test {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(FATHOM_SOURCE_DIR) / "tests" / "golden" / name;
}

inline void check_golden(const std::filesystem::path& folder, const VerifyOptions& options = {}) {
  const VerifyReport report = verify_folder(folder, options);
  INFO("folder ", report.folder.string(), ", layout ", report.layout);
  CHECK(report.passed());
  for (const VerifyItem& item : report.items) {
    CAPTURE(item.quantity);
    CAPTURE(item.detail);
    CHECK(item.error <= item.bound);
  }
}

}  // namespace fathom::test

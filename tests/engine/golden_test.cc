// Every folder of tests/golden that holds a model's vectors, through the code of `fathom verify`: a new
// folder needs no code here.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "engine/verify/verify.h"

namespace fathom {
namespace {

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(FATHOM_SOURCE_DIR) / "tests" / "golden" / name;
}

void check(const std::filesystem::path& folder, const VerifyOptions& options = {}) {
  const VerifyReport report = verify_folder(folder, options);
  INFO("folder ", report.folder.string(), ", layout ", report.layout);
  CHECK(report.passed());
  for (const VerifyItem& item : report.items) {
    CAPTURE(item.quantity);
    CAPTURE(item.detail);
    CHECK(item.error <= item.bound);
  }
}

TEST_CASE("fp32 cases on every target") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    VerifyOptions options;
    options.target = target;
    const auto folders = verify_folders(golden("fp32"));
    CHECK(folders.size() >= 9);
    for (const auto& folder : folders) check(folder, options);
  }
}

TEST_CASE("quantised cases on every target") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    VerifyOptions options;
    options.target = target;
    const auto folders = verify_folders(golden("quantised"));
    CHECK(folders.size() >= 4);
    for (const auto& folder : folders) check(folder, options);
  }
}

TEST_CASE("fp32 cases in double precision") {
  VerifyOptions options;
  options.double_model = true;
  for (const auto& folder : verify_folders(golden("fp32"))) check(folder, options);
}

TEST_CASE("a model without vectors is held to its invariants") {
  check(golden("fp32/h_mtp/hf"));
  check(golden("fp32/b_csa/model.safetensors"));
}

TEST_CASE("what is not checked is listed, and checking nothing is no pass") {
  const VerifyReport report = verify_folder(golden("quantised/mixed"));
  const auto& unused = report.not_checked;
  CHECK(std::find(unused.begin(), unused.end(), "steps.safetensors") != unused.end());
  CHECK(std::find(unused.begin(), unused.end(), "expected.safetensors: streams.0") != unused.end());
  CHECK(std::find(unused.begin(), unused.end(), "model.safetensors") == unused.end());

  CHECK(!VerifyReport{}.passed());
  CHECK(verify_folders(std::filesystem::path(FATHOM_SOURCE_DIR) / "src").empty());
  CHECK_THROWS_AS(verify_folder(std::filesystem::path(FATHOM_SOURCE_DIR) / "src"), Error);
  CHECK_THROWS_AS(verify_folders(golden("no such folder")), Error);
}

}  // namespace
}  // namespace fathom

// Every folder of tests/golden that holds a model's vectors, through the code of `fathom verify`: a new
// folder needs no code here.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "tests/engine/golden_checks.h"

namespace fathom {
namespace {

using test::check_golden;
using test::golden_folder;

TEST_CASE("fp32 cases on every target") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    VerifyOptions options;
    options.target = target;
    const auto folders = verify_folders(golden_folder("fp32"));
    CHECK(folders.size() >= 9);
    for (const auto& folder : folders) check_golden(folder, options);
  }
}

TEST_CASE("quantised cases on every target") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    VerifyOptions options;
    options.target = target;
    const auto folders = verify_folders(golden_folder("quantised"));
    CHECK(folders.size() >= 4);
    for (const auto& folder : folders) check_golden(folder, options);
  }
}

TEST_CASE("fp32 cases in double precision") {
  VerifyOptions options;
  options.double_model = true;
  for (const auto& folder : verify_folders(golden_folder("fp32"))) check_golden(folder, options);
}

TEST_CASE("stages of the official run in double") {
  VerifyOptions options;
  options.double_model = true;
  check_golden(golden_folder("quantised/mixed"), options);
}

TEST_CASE("the trained model, with a sample of its problems") { check_golden(golden_folder("trained")); }

TEST_CASE("formats, tokenizer and encoding") {
  for (const char* folder : {"formats", "tokenizer", "encoding"}) check_golden(golden_folder(folder));
}

TEST_CASE("a model without vectors is held to its invariants") {
  check_golden(golden_folder("fp32/h_mtp/hf"));
  check_golden(golden_folder("fp32/b_csa/model.safetensors"));
}

TEST_CASE("what is not checked is listed, and checking nothing is no pass") {
  const VerifyReport report = verify_folder(golden_folder("quantised/mixed"));
  const auto& unused = report.not_checked;
  CHECK(std::find(unused.begin(), unused.end(), "steps.safetensors") == unused.end());
  CHECK(std::find(unused.begin(), unused.end(), "expected.safetensors: streams.0") != unused.end());
  CHECK(std::find(unused.begin(), unused.end(), "model.safetensors") == unused.end());

  CHECK(!VerifyReport{}.passed());
  CHECK(verify_folders(std::filesystem::path(FATHOM_SOURCE_DIR) / "src").empty());
  CHECK_THROWS_AS(verify_folder(std::filesystem::path(FATHOM_SOURCE_DIR) / "src"), Error);
  CHECK_THROWS_AS(verify_folders(golden_folder("no such folder")), Error);
}

}  // namespace
}  // namespace fathom

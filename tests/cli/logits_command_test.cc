// fathom logits writes what the golden vectors of the same ids hold, under the same names.
#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

using test::run_fathom;
using test::TensorFile;

constexpr int kLists = 4;

std::string ids_of(const TensorFile& expected) {
  std::string lines;
  for (int k = 0; k < kLists; ++k) {
    lines += nlohmann::json(expected.i32("s" + std::to_string(k) + ".input_ids")).dump() + "\n";
  }
  return lines;
}

// The rows of `values` at `positions`, if the golden file keeps some positions alone.
std::vector<float> rows_at(const std::vector<float>& values, int64_t rows,
                           const std::vector<int32_t>& positions) {
  const auto width = static_cast<std::ptrdiff_t>(values.size()) / rows;
  std::vector<float> out;
  for (const int32_t p : positions) {
    out.insert(out.end(), values.begin() + p * width, values.begin() + (p + 1) * width);
  }
  return out;
}

void compare(const TensorFile& expected, const TensorFile& found, const std::string& golden_name,
             const std::string& name) {
  CAPTURE(name);
  REQUIRE(found.has(name));
  if (expected.dtype(golden_name) == "I32") {
    CHECK(found.shape(name) == expected.shape(golden_name));
    CHECK(found.i32(name) == expected.i32(golden_name));
    return;
  }
  std::vector<float> values = found.f32(name);
  const size_t streams = golden_name.find("streams");
  if (streams != std::string::npos) {
    values = rows_at(values, found.shape(name)[0],
                     expected.i32(golden_name.substr(0, golden_name.find("streams") + 7) + ".pos"));
  }
  const std::vector<float> wanted = expected.f32(golden_name);
  REQUIRE(values.size() == wanted.size());
  float worst = 0;
  for (size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::abs(values[i] - wanted[i]));
  CHECK(worst < 1e-3f);
}

}  // namespace

TEST_CASE("logits --mtp --trace is the golden file's tensors, each flag alone its own") {
  const test::TempFolder folder;
  const TensorFile expected = TensorFile::open(test::golden("fp32/h_mtp/expected.safetensors"));
  const std::string ids = folder.write("ids", ids_of(expected)).string();
  const auto names_with = [&](std::vector<std::string> flags) {
    const std::string out = (folder / "out.safetensors").string();
    std::vector<std::string> args = {"logits",  "-m", "tests/golden/fp32/h_mtp", "--ids", ids, "--out", out,
                                     "--chunk", "7"};
    args.insert(args.end(), flags.begin(), flags.end());
    const auto r = run_fathom(args);
    REQUIRE_MESSAGE(r.status == 0, r.err);
    const std::vector<std::string> names = TensorFile::open(out).names();
    return std::set<std::string>(names.begin(), names.end());
  };
  CHECK(names_with({}) == std::set<std::string>{"0.logits", "1.logits", "2.logits", "3.logits"});
  CHECK(names_with({"--mtp"}).count("3.mtp_logits") == 1);
  CHECK(names_with({"--mtp"}).count("3.streams.0") == 0);
  CHECK(names_with({"--trace"}).count("3.streams.0") == 1);
  CHECK(names_with({"--trace"}).count("3.mtp_logits") == 0);

  const std::set<std::string> names = names_with({"--mtp", "--trace"});
  const TensorFile found = TensorFile::open(folder / "out.safetensors");
  size_t compared = 0;
  for (const std::string& name : expected.names()) {
    if (name[0] != 's' || name.ends_with(".pos") || name.ends_with(".input_ids")) continue;
    compare(expected, found, name, name.substr(1));
    ++compared;
  }
  CHECK(compared == names.size());
}

}  // namespace fathom

// --memory holds every command that makes states to a bound, and is refused where it could do nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

using test::run_fathom;

std::vector<std::string> with(std::vector<std::string> args, const std::string& memory) {
  args.insert(args.end(), {"--memory", memory});
  return args;
}

}  // namespace

TEST_CASE("what does not fit --memory is refused, what fits is not") {
  const test::TempFolder folder;
  const std::string text = folder.write("text", "Once upon a time there was a little fox.").string();
  const std::string ids = folder.write("ids", "[1,2,3]").string();
  const std::string out = (folder / "out.safetensors").string();
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"run", "-p", "x", "--max-tokens", "1"},
           {"demo", "Compute 1 + 1."},
           {"logits", "--ids", ids, "--out", out},
           {"score", text},
           {"eval", "--tasks", "add:1", "--count", "1", "--max-tokens", "1", "--think", "off"},
           {"eval", "--needle", "64", "--needle-count", "1", "--needle-depths", "1"},
           {"eval", "--text", text},
           {"inspect", "routing", "-p", "x"},
           {"inspect", "attention", "-p", "x"},
           {"bench", "decode", "--seconds", "0.05"},
           {"bench", "batch", "--seconds", "0.05"},
           {"bench", "prefill", "--seconds", "0.05"},
           {"bench", "load", "--seconds", "0.05"},
           {"bench", "memory", "--seconds", "0.05"}}) {
    CAPTURE(args);
    const auto refused = run_fathom(with(args, "16K"));
    CHECK(refused.status == 1);
    CHECK_MESSAGE(refused.err.find("memory: expected at most 16384 bytes, found ") != std::string::npos,
                  refused.err);
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
    CHECK(refused.out.find('{') == std::string::npos);
    if (args.front() == "bench") continue;  // what fits takes long
    const auto fits = run_fathom(with(args, "1G"));
    CHECK_MESSAGE(fits.status == 0, fits.err);
  }
}

TEST_CASE("scratch counts, and so do results that are kept") {
  const test::TempFolder folder;
  std::string list = "[1";
  for (int i = 0; i < 300; ++i) list += ",2";
  const std::string ids = folder.write("ids", list + "]").string();
  const auto logits = [&](const char* memory) {
    return run_fathom({"logits", "-m", "tests/golden/fp32/h_mtp", "--ids", ids, "--out",
                       (folder / "out.safetensors").string(), "--memory", memory});
  };
  CHECK(logits("100M").status == 0);
  const auto scratch = logits("1200K");  // state and logits fit, the scratch of a chunk does not
  CHECK(scratch.status == 1);
  CHECK_MESSAGE(scratch.err.find("bytes of scratch, found ") != std::string::npos, scratch.err);
}

TEST_CASE("a server whose memory has no room for any request does not start") {
  const auto r = run_fathom({"serve", "--port", "0", "--log", "none", "--memory", "64K"});
  CHECK(r.status == 1);
  CHECK_MESSAGE(r.err.find("fathom: --memory: too small for any request: ") == 0, r.err);
  CHECK(r.out.empty());
}

TEST_CASE("benchmarks refuse options that they would take no notice of") {
  CHECK(run_fathom({"bench", "signature", "--threads", "1"}).status == 2);
  CHECK(run_fathom({"bench", "training", "--memory", "1G"}).status == 2);
  CHECK(run_fathom({"bench", "decode", "--adapter", "x"}).status == 2);
}

}  // namespace fathom

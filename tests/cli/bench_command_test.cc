// fathom bench as a user calls it: what is printed and written, not how fast anything is.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

using nlohmann::json;
using test::Finished;
using test::run_fathom;

TEST_CASE("figures come with limits, shares and what they were measured on") {
  const Finished run = run_fathom(
      {"bench", "decode", "prefill", "-m", "v4-10m", "--seconds", "0.05", "--threads", "1", "--json"});
  CHECK(run.err == "");
  REQUIRE(run.status == 0);
  const json out = json::parse(run.out);
  REQUIRE(out["benches"].size() == 2);
  CHECK(out["benches"][0]["bench"] == "decode");
  CHECK(out["benches"][1]["bench"] == "prefill");
  for (const json& bench : out["benches"]) {
    CHECK(bench["model"] == "v4-10m");
    const json& e = bench["environment"];
    CHECK(e["numerics"] == "fast");
    CHECK(e["threads"] == 1);
    CHECK(e["commit"] != "");
    CHECK(e["date"].get<std::string>().size() == 10);
    CHECK(e["idle_share"].get<double>() >= 0);
    CHECK(e["idle_share"].get<double>() <= 1);
    CHECK(bench["machine"]["read_bandwidth"].get<double>() > 0);
    REQUIRE(!bench["figures"].empty());
    for (const json& figure : bench["figures"]) {
      CHECK(figure["best"].get<double>() >= figure["median"].get<double>());  // rates
      CHECK(figure["share"].get<double>() ==
            doctest::Approx(figure["best"].get<double>() / figure["limit"].get<double>()).epsilon(1e-3));
    }
  }
}

TEST_CASE("memory of states is the formula's, and results are recorded and drawn") {
  const test::TempFolder folder;
  const std::string svg = (folder.path() / "bench.svg").string();
  const Finished run =
      run_fathom({"bench", "memory", "-m", "v4-10m", "--svg", svg, "--record", folder.path().string()});
  REQUIRE(run.status == 0);
  CHECK(run.out.find("8 states of 65536 tokens") != std::string::npos);
  std::ifstream drawn(svg);
  const std::string picture{std::istreambuf_iterator<char>(drawn), {}};
  CHECK(picture.starts_with("<svg "));
  CHECK(picture.find("states of 65536 tokens") != std::string::npos);
  int recorded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().extension() != ".json") continue;
    ++recorded;
    CHECK(entry.path().filename().string().ends_with("-memory.json"));
    std::ifstream file(entry.path());
    for (const json& figure : json::parse(file)["benches"][0]["figures"]) {
      if (!figure.contains("limit")) continue;
      // Resident memory within 5% of the formula: no clock is involved.
      CHECK(figure["best"].get<double>() == doctest::Approx(figure["limit"].get<double>()).epsilon(0.05));
    }
  }
  CHECK(recorded == 1);
}

TEST_CASE("a benchmark that is not there is a usage error") {
  const Finished run = run_fathom({"bench", "nothing"});
  CHECK(run.status == 2);
  CHECK(run.err.find("long-context") != std::string::npos);
  CHECK(run.err.find("nothing") != std::string::npos);
}

}  // namespace
}  // namespace fathom

// fathom bench as a user calls it: what is printed and written, not how fast anything is.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

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

TEST_CASE("serving is measured beside the engine's own steps") {
  const Finished run = run_fathom(
      {"bench", "serving", "-m", "v4-10m", "--seconds", "0.05", "--threads", "1", "--json"}, "", 300);
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  const json bench = json::parse(run.out)["benches"][0];
  CHECK(bench["bench"] == "serving");
  const json& figures = bench["figures"];
  REQUIRE(figures.size() == 8);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(figures[i]["best"].get<double>() > 0);
    CHECK(figures[i]["unit"] == (i < 4 ? "tokens/s" : "us"));
    if (i % 4 > 0)
      CHECK(figures[i]["limit"] == figures[i - i % 4]["best"]);  // the engine's own, in the same run
  }
}

TEST_CASE("a training step's parts add up to the step, and its products are within it") {
  const Finished run =
      run_fathom({"bench", "training", "--recipe", std::string(FATHOM_SOURCE_DIR) + "/recipes/micro.json",
                  "--batch", "512", "--seconds", "0.05", "--threads", "1", "--json"},
                 "", 300);
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  const json bench = json::parse(run.out)["benches"][0];
  CHECK(bench["model"] == "micro");
  std::map<std::string, double> figures;
  for (const json& figure : bench["figures"]) figures[figure["name"]] = figure["best"].get<double>();
  const double step = 512 / figures.at("a step") * 1e3;
  double sum = 0;
  for (const char* part : {"attention with indexer", "experts and router", "head and cross-entropy",
                           "hyper-connections, norms, embedding", "bf16 copies of the weights",
                           "gradient norm", "Muon and AdamW"}) {
    CAPTURE(part);
    CHECK(figures.at(part) > 0);
    sum += figures.at(part);
  }
  CHECK(sum == doctest::Approx(step).epsilon(5e-3));
  const double products = figures.at("bf16 products, in all of these");
  CHECK(products > 0);
  CHECK(products + figures.at("fp32 products, in all of these") < step);
  // 512 tokens through 1.6 million active parameters, forward and twice as much backward.
  const double gflop = figures.at("bf16 products") * products * 1e-3;
  CHECK(gflop > 6 * 512 * 1.0e6 * 1e-9);
  CHECK(gflop < 6 * 512 * 4.0e6 * 1e-9);
}

TEST_CASE("a benchmark that is not there is a usage error") {
  const Finished run = run_fathom({"bench", "nothing"});
  CHECK(run.status == 2);
  CHECK(run.err.find("long-context") != std::string::npos);
  CHECK(run.err.find("nothing") != std::string::npos);
}

}  // namespace
}  // namespace fathom

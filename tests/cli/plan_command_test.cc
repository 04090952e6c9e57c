// fathom plan as a user calls it: what is printed, written and refused.
#include <doctest/doctest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "cli/command.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Runs the command and returns what it wrote to standard output.
std::string plan(const std::string& line) {
  CLI::App app;
  cli::register_plan(app);
  const fs::path file = fs::temp_directory_path() / ("fathom_plan_test_" + std::to_string(getpid()));
  std::fflush(stdout);
  const int saved = dup(STDOUT_FILENO);
  REQUIRE(std::freopen(file.c_str(), "w", stdout) != nullptr);
  const auto restore = [&] {
    std::fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
  };
  try {
    app.parse("plan " + line, false);
  } catch (...) {
    restore();
    fs::remove(file);
    throw;
  }
  restore();
  const std::string out = text_of(file);
  fs::remove(file);
  return out;
}

}  // namespace

TEST_CASE("with nothing said: Pro, Flash and V3.2 with the published figures") {
  const std::string out = plan("");
  for (const char* part :
       {"v4-pro: 1.57T", "v4-flash: 284.33B", "v3.2: 671.88B", "26.8% FP8-equivalent", "1,000,000"}) {
    CAPTURE(part);
    CHECK(out.find(part) != std::string::npos);
  }
}

TEST_CASE("contexts, machine and price reach the figures") {
  const auto json = nlohmann::json::parse(
      plan("v4-flash --context 4K --context 1000000 --bandwidth 3.35T --peak 1P --price-per-hour 2 --json"));
  const auto& contexts = json["models"][0]["contexts"];
  REQUIRE(contexts.size() == 2);
  CHECK(contexts[0]["context"] == 4096);
  CHECK(json["machine"]["bandwidth"] == 3.35e12);
  CHECK(json["machine"]["peak"] == 1e15);
  CHECK(contexts[1]["price_per_million_tokens"].get<double>() ==
        doctest::Approx(contexts[1]["seconds_per_token"].get<double>() * 1e6 / 1800));
}

TEST_CASE("a folder and a picture") {
  const fs::path svg = fs::temp_directory_path() / ("fathom_plan_test_" + std::to_string(getpid()) + ".svg");
  const auto out =
      plan("-m " + std::string(FATHOM_SOURCE_DIR) + "/tests/golden/trained --svg " + svg.string());
  CHECK(out.find("trained: ") != std::string::npos);
  CHECK(text_of(svg).starts_with("<svg "));
  fs::remove(svg);
}

TEST_CASE("a name under models/ and a price table of one's own") {
  const fs::path prices = fs::temp_directory_path() / ("fathom_prices_" + std::to_string(getpid()) + ".json");
  std::ofstream(prices)
      << R"({"currency": "EUR", "models": {"10m": {"hit": 0.5, "miss": "1.25", "output": 2}}})";
  setenv("FATHOM_MODELS", FATHOM_SOURCE_DIR "/models", 1);
  const std::string table = plan("-m v4-10m v3.2 --price-table " + prices.string());
  const auto json = nlohmann::json::parse(plan("v4-10m v3.2 --json --price-table " + prices.string()));
  unsetenv("FATHOM_MODELS");
  fs::remove(prices);
  CHECK(table.find("v4-10m: ") != std::string::npos);
  CHECK(table.find("own prices, EUR per 1M tokens") != std::string::npos);
  const auto& own = json["models"][0]["price_tables"].back();
  CHECK(own["currency"] == "EUR");
  CHECK(own["hit"] == "0.5");
  CHECK(own["miss"] == "1.25");
  CHECK(own["output"] == "2");
  CHECK_FALSE(json["models"][1].contains("price_tables"));
}

TEST_CASE("what training takes: a recipe, a preset with tokens, V3 beside its published hours") {
  const std::string recipe = std::string(FATHOM_SOURCE_DIR) + "/recipes/micro.json";
  const auto micro = nlohmann::json::parse(plan("--train " + recipe + " --peak 1T --bandwidth 40G --json"));
  REQUIRE(micro["stages"].size() == 2);
  const auto shorter = nlohmann::json::parse(
      plan("--train " + recipe + " --peak 1T --bandwidth 40G --json --set stages.1.steps=1"));
  CHECK(shorter["stages"][0] == micro["stages"][0]);
  CHECK(shorter["seconds"]["full_speed"] < micro["seconds"]["full_speed"]);
  CHECK(micro["memory"]["passes"] > 1e6);
  CHECK(micro["flops"]["parts"].contains("optimizer"));
  CHECK(micro["flops"]["parts"].contains("mtp") == (micro["stages"][0]["flops"].contains("mtp")));

  const auto flash = nlohmann::json::parse(
      plan("--train v4-flash --tokens 1T --peak 1P --machines 1000 --price-per-hour 2 --json"));
  CHECK(flash["tokens"].get<double>() == doctest::Approx(1e12).epsilon(1e-4));
  CHECK(flash["flops"]["all"].get<double>() > 6 * 13e9 * 1e12);
  CHECK(flash["flops"]["all"].get<double>() < 12 * 13e9 * 1e12);
  CHECK(flash["price"].get<double>() ==
        doctest::Approx(flash["machine_hours"]["expected"].get<double>() * 2));
  // 16 bytes of state for each of 284 (and 6.6 of MTP) billion parameters, and 2 of a copy, on 1,000
  // machines.
  CHECK(flash["memory"]["weights, fp32"].get<double>() == doctest::Approx(4 * 0.291e9).epsilon(0.01));

  const std::string v3 = plan("--train v3 --peak 989.5T --machines 2048 --reached 0.4");
  for (const char* text :
       {"training v3: 671", "14.80T", "3.93Y", "2.66M machine hours, so ", "2,788,000 hours"}) {
    CAPTURE(text);
    CHECK(v3.find(text) != std::string::npos);
  }
}

TEST_CASE("what is refused") {
  CHECK_THROWS_AS(plan("v5"), Error);
  CHECK_THROWS_AS(plan("--price-table /no/such/file"), Error);
  for (const char* line : {"--context x",
                           "--context 0",
                           "--context -1",
                           "--context 1.5",
                           "--context 1P",
                           "--bandwidth 0",
                           "--bandwidth 1Q",
                           "--peak nan",
                           "--price-per-hour 1",
                           "--price-per-hour -1 --peak 1",
                           "--price-per-hour nan --peak 1",
                           "--price-per-hour inf --peak 1",
                           "--measure --peak 1",
                           "--nonsense",
                           "--tokens 1T v3",
                           "--train",
                           "--train v3 v4-flash",
                           "--train v4-flash",
                           "--train v3 --context 4K",
                           "--train v3 --row 1.5",
                           "--train v3 --reached 2 --peak 1P",
                           "--train v3 --price-per-hour 2",
                           "--train v3 --set seed=1",
                           "--train v3 --machines 0 --peak 1P",
                           "--train v4-flash --tokens 0"}) {
    CAPTURE(line);
    CHECK_THROWS_AS(plan(line), CLI::ParseError);
  }
}

}  // namespace fathom

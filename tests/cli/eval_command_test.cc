// fathom eval, as a user runs it.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace fathom::test {
namespace {

using Json = nlohmann::json;

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_CASE("problems, needles and a text in one report, with pictures and answers") {
  const auto folder = std::filesystem::temp_directory_path() / ("eval-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "text.txt") << "Once upon a time there was a little fox.";
  const auto result = run_fathom({"eval",
                                  "--tasks",
                                  "add:2,sort:3",
                                  "--count",
                                  "3",
                                  "--max-tokens",
                                  "80",
                                  "--needle",
                                  "128,192",
                                  "--needle-count",
                                  "1",
                                  "--needle-depths",
                                  "2",
                                  "--text",
                                  (folder / "text.txt").string(),
                                  "--answers",
                                  (folder / "answers.jsonl").string(),
                                  "--svg",
                                  (folder / "all.html").string(),
                                  "--json"},
                                 "", 300);
  CHECK(result.err == "");
  REQUIRE(result.status == 0);
  const Json report = Json::parse(result.out);
  REQUIRE(report["tasks"].size() == 4);
  CHECK(report["tasks"][1]["task"] == "add:2");
  CHECK(report["tasks"][1]["think"] == "high");
  CHECK(report["tasks"][1]["problems"] == 3);
  CHECK(report["tasks"][1]["right"] == 3);
  CHECK(report["held_out"] == true);
  CHECK(report["needle"]["recalled"].size() == 2);
  CHECK(report["needle"]["recalled"][0].size() == 2);
  CHECK(report["text"]["bits_per_byte"].get<double>() < 4);
  const std::string answers = content(folder / "answers.jsonl");
  CHECK(std::count(answers.begin(), answers.end(), '\n') == 12);
  CHECK(Json::parse(answers.substr(0, answers.find('\n')))["task"] == "add");
  const std::string page = content(folder / "all.html");
  CHECK(page.find("Held-out problems solved") != std::string::npos);
  CHECK(page.find("Needle recalled") != std::string::npos);

  const auto table = run_fathom({"eval", "--tasks", "add:1", "--count", "1", "--think", "off", "--max-tokens",
                                 "8", "--svg", (folder / "one.svg").string()},
                                "", 120);
  CHECK(table.status == 0);
  CHECK(table.out.find("add:1        off          1") != std::string::npos);
  const std::string svg = content(folder / "one.svg");
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.ends_with("</svg>\n"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("mistakes are named before the model works") {
  CHECK(run_fathom({"eval", "--tasks", "nothing"}).err.find("fathom: task: expected one of add,") == 0);
  CHECK(run_fathom({"eval", "--think", "loud"}).err ==
        "fathom: think: expected off, high or max, found 'loud'\n");
  CHECK(run_fathom({"eval", "--needle", "100000000"}).err.find("fathom: length: expected 64 to ") == 0);
  CHECK(run_fathom({"eval", "--text", "/nonexistent"}).status == 1);
  CHECK(run_fathom({"eval", "--count", "0"}).status == 2);
}

TEST_CASE("fathom report writes a run's page") {
  const auto folder = std::filesystem::temp_directory_path() / ("report-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  CHECK(run_fathom({"report", folder.string()}).err.find("fathom: " + folder.string() + "/log.jsonl") == 0);
  std::ofstream(folder / "log.jsonl") << "{\"step\":1,\"lm\":2.5}\n{\"step\":2,\"lm\":2.25}\n";
  const auto made = run_fathom({"report", folder.string()});
  CHECK(made.out == (folder / "report.html").string() + "\n");
  CHECK(content(folder / "report.html").find("<polyline") != std::string::npos);
  CHECK(run_fathom({"report", folder.string(), "--out", "/proc/x/y"}).status == 1);
  std::ofstream(folder / "log.jsonl") << "what\n{}\n";
  CHECK(run_fathom({"report", folder.string()}).err.find("log.jsonl: line 1: expected a JSON object") !=
        std::string::npos);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fathom::test

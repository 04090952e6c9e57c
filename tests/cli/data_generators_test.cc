// fathom data tasks and stories: what they print is what other commands read.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cli/program.h"

namespace fathom::test {
namespace {

TEST_CASE("generated lines render, and become token files") {
  const auto tasks = run_fathom({"data", "tasks", "--count", "40", "--seed", "3"});
  REQUIRE(tasks.status == 0);
  const auto rendered = run_fathom({"render", "--jsonl"}, tasks.out);
  CHECK(rendered.status == 0);
  std::istringstream lines(rendered.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    CHECK(nlohmann::json::parse(line).contains("output"));
  CHECK(count == 40);

  const auto folder = std::filesystem::temp_directory_path() / ("generated-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tasks.jsonl") << tasks.out;
  const auto stories = run_fathom({"data", "stories", "--count", "30"});
  std::ofstream(folder / "stories.jsonl") << stories.out;
  for (const char* kind : {"tasks", "stories"}) {
    const auto packed =
        run_fathom({"data", (folder / kind).string() + ".jsonl", "--out", (folder / kind).string()});
    CHECK(packed.err == "");
    CHECK(packed.status == 0);
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a stream can be entered anywhere; mistakes are named") {
  const auto all = run_fathom({"data", "tasks", "--count", "5", "--tasks", "mul:3,kv", "--think", "max"});
  const auto last = run_fathom(
      {"data", "tasks", "--count", "1", "--first", "4", "--tasks", "mul:3,kv", "--think", "0:0:1"});
  CHECK(all.out.ends_with(last.out));
  CHECK(last.out.find("\"reasoning_effort\":\"max\"") != std::string::npos);
  CHECK(run_fathom({"data", "tasks", "--tasks", "nothing", "--count", "1"})
            .err.find("fathom: task: expected one of add,") == 0);
  CHECK(
      run_fathom({"data", "tasks", "--think", "1:2", "--count", "1"}).err.find("fathom: --think: expected") ==
      0);
  CHECK(run_fathom({"data", "tasks", "--min-level", "9", "--count", "1"}).status == 1);
  CHECK(run_fathom({"data"}).status == 2);
  CHECK(run_fathom({"data", "--out", "x"}).err.find("fathom: files is required") == 0);
  CHECK(run_fathom({"data", "tasks", "--list"}).out.find("needle   a fact in a long text") !=
        std::string::npos);
}

}  // namespace
}  // namespace fathom::test

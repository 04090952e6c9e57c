// fathom render and fathom parse as a user calls them.
#include <doctest/doctest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "cli/command.h"
#include "cli/prompt_input.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = FATHOM_SOURCE_DIR "/tests/golden/encoding/";

/// A folder for one test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("fathom_render_test_" + std::to_string(getpid()));
  Folder() { fs::create_directories(path / "encoding"); }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
};

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Runs a command and returns what it wrote to standard output.
std::string run(const std::string& line) {
  CLI::App app;
  cli::register_render(app);
  cli::register_parse(app);
  const fs::path file = fs::temp_directory_path() / ("fathom_render_out_" + std::to_string(getpid()));
  std::fflush(stdout);
  const int saved = dup(STDOUT_FILENO);
  REQUIRE(std::freopen(file.c_str(), "w", stdout) != nullptr);
  const auto restore = [&] {
    std::fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
  };
  try {
    app.parse(line, false);
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

TEST_CASE("render prints the prompt and nothing else") {
  CHECK(run("render " + kGolden + "test_input_1.json") == text_of(kGolden + "test_output_1.txt"));
  CHECK(run("render --thinking-mode chat " + kGolden + "test_input_4.json") ==
        text_of(kGolden + "test_output_4.txt"));
}

TEST_CASE("render and parse answer each line") {
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  CHECK(lines(run("render --jsonl " + kGolden + "cases.jsonl")) == 301);
  CHECK(lines(run("parse --jsonl " + kGolden + "parse.jsonl")) == 235);
  CHECK(lines(run("parse --jsonl --strict " + kGolden + "parse.jsonl")) == 235);
}

TEST_CASE("parse recovers, or is strict") {
  const Folder folder;
  const std::string file = folder.file("text", "r</think>c");
  CHECK(run("parse " + file) ==
        "{\"message\": {\"role\": \"assistant\", \"content\": \"c\", \"reasoning_content\": \"r\", "
        "\"tool_calls\": []}}\n");
  CHECK_THROWS_AS(run("parse --strict " + file), Error);
  CHECK(run("parse --thinking-mode chat " + folder.file("bytes", "a\xFF")).find("\"a\xEF\xBF\xBD\"") !=
        std::string::npos);
  CHECK_THROWS_AS(run("parse " + file + "x"), Error);
}

TEST_CASE("the generation is the model's unless it is named") {
  const Folder folder;
  const std::string chat = folder.file("chat.json", R"([{"role": "user", "content": "Hi"}])");
  const std::string model = " -m " + folder.path.string() + " --effort max " + chat;
  CHECK(run("render" + model).find("Absolute maximum") != std::string::npos);
  folder.file("config.json", R"({"dspark_layers": 1})");
  CHECK(run("render" + model).find("Beyond maximum") != std::string::npos);
  folder.file("encoding/encoding_dsv4.py", "REASONING_EFFORT_MAX = \"\"\n");
  CHECK(run("render" + model).find("Absolute maximum") != std::string::npos);
  CHECK(run("render --prompt-encoding 2026-08" + model).find("Beyond maximum") != std::string::npos);
  CHECK_THROWS_AS(run("render -m " + (folder.path / "absent").string() + " " + chat), Error);
  CHECK_THROWS_AS(run("render --effort low " + chat), Error);
  CHECK_THROWS_AS(run("render --prompt-encoding 2027 " + chat), CLI::ParseError);
}

}  // namespace
}  // namespace fathom

// fathom tokenize and detokenize as a user calls them.
#include <doctest/doctest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "cli/command.h"
#include "tests/cli/program.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kGolden = std::string(FATHOM_SOURCE_DIR) + "/tests/golden/tokenizer/";

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A file that is gone with the object.
struct TemporaryFile {
  fs::path path;
  explicit TemporaryFile(const std::string& content, const char* name)
      : path(fs::temp_directory_path() / ("fathom_tokenize_" + std::to_string(getpid()) + name)) {
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TemporaryFile() { fs::remove(path); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
};

// Runs a command on a file of this content and returns what it wrote to standard output.
std::string output_of(const std::string& command, const std::string& input) {
  CLI::App app;
  cli::register_tokenize(app);
  cli::register_detokenize(app);
  const TemporaryFile in(input, "_in"), out("", "_out");
  std::fflush(stdout);
  const int saved = dup(STDOUT_FILENO);
  REQUIRE(std::freopen(out.path.c_str(), "w", stdout) != nullptr);
  const auto restore = [&] {
    std::fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
  };
  try {
    app.parse(command + " -m " + kGolden + "tiny.json " + in.path.string(), false);
  } catch (...) {
    restore();
    throw;
  }
  restore();
  return text_of(out.path);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("lines of JSON: every golden text to its ids and back") {
  const std::string golden = text_of(kGolden + "ids_tiny.jsonl");
  const auto expected = lines_of(golden);
  const auto ids = lines_of(output_of("tokenize --jsonl", golden));
  const auto texts = lines_of(output_of("detokenize --jsonl", golden));
  REQUIRE(expected.size() == 571);
  REQUIRE(ids.size() == expected.size());
  REQUIRE(texts.size() == expected.size());
  int64_t wrong = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const json line = json::parse(expected[i]);
    wrong += json::parse(ids[i]) != json{{"ids", line["ids"]}};
    wrong += json::parse(texts[i]) != json{{"text", line["text"]}};
  }
  CHECK(wrong == 0);
}

TEST_CASE("plain text, with and without special strings") {
  const std::string text = "a<｜end▁of▁sentence｜>\n";
  const json marked = json::parse(output_of("tokenize", text));
  const json plain = json::parse(output_of("tokenize --no-special", text));
  CHECK(std::count(marked.begin(), marked.end(), 1) == 1);
  CHECK(std::count(plain.begin(), plain.end(), 1) == 0);
  CHECK(output_of("detokenize", marked.dump()) == text);
  CHECK(output_of("detokenize --no-special", marked.dump()) == "a\n");
  CHECK(output_of("detokenize --no-special", plain.dump()) == text);
  CHECK(output_of("tokenize", "") == "[]\n");
  CHECK(output_of("detokenize", "[]").empty());
}

TEST_CASE("- is standard input, as for other commands") {
  const auto ids = test::run_fathom({"tokenize", "-"}, "a");
  CHECK(json::parse(ids.out) == json::parse(output_of("tokenize", "a")));
  CHECK(test::run_fathom({"detokenize", "-"}, ids.out).out == "a");
  CHECK(test::run_fathom({"tokenize", "--jsonl", "-"}, "{\"text\":\"\"}\n").out == "{\"ids\":[]}\n");
}

TEST_CASE("bad input is named") {
  const auto message = [](const std::string& command, const std::string& input) -> std::string {
    try {
      output_of(command, input);
      return "accepted";
    } catch (const Error& error) {
      return error.message();
    }
  };
  CHECK(message("detokenize", "[1,512]") == "token id: expected 0..511, found 512");
  CHECK(message("detokenize", "[1,-1]").find("ids[1]: expected ") == 0);
  CHECK(message("detokenize", "{}").find("ids: expected ") == 0);
  CHECK(message("detokenize", "[1,").find("ids: ") == 0);
  CHECK(message("tokenize --jsonl", "{\"text\":\"a\"}\n{\"txt\":1}\n").find("line 2: line.text: expected ") ==
        0);
  CHECK(message("detokenize --jsonl", "{\"ids\":[\"x\"]}\n").find("line 1: line.ids[0]: expected ") == 0);
}

}  // namespace
}  // namespace fathom

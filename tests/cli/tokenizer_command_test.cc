// fathom tokenizer train, as a user runs it.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"

namespace fathom::test {
namespace {

using Json = nlohmann::json;
using Path = std::filesystem::path;

const char* const kCorpus = "tests/golden/tokenizer/tiny_corpus.txt";

TEST_CASE("a tokenizer is trained from files and standard input, and used") {
  const Path out = std::filesystem::temp_directory_path() / ("tokenizer-" + std::to_string(getpid()));
  const auto made =
      run_fathom({"tokenizer", "train", kCorpus, "--vocab", "400", "--out", out.string(), "--json"});
  CHECK(made.err == "");
  REQUIRE(made.status == 0);
  const Json report = Json::parse(made.out);
  CHECK(report["vocab"] == 400);
  CHECK(report["bytes"] == std::filesystem::file_size(Path(FATHOM_SOURCE_DIR) / kCorpus));
  CHECK(std::filesystem::exists(out / "tokenizer_config.json"));
  const auto ids = run_fathom({"tokenize", "-m", out.string()}, "the <think>");
  CHECK(ids.status == 0);
  const auto text = run_fathom({"detokenize", "-m", out.string()}, ids.out);
  CHECK(text.out == "the <think>");

  const Path file = out / "one.json";
  const std::string lines = "{\"messages\":[{\"role\":\"user\",\"content\":\"to be or not to be\"}]}\n";
  const auto from_lines =
      run_fathom({"tokenizer", "train", "-", "--jsonl", "--vocab", "277", "--out", file.string()}, lines);
  CHECK(from_lines.err == "");
  CHECK(from_lines.status == 0);
  CHECK(std::filesystem::exists(file));
  std::filesystem::remove_all(out);
}

TEST_CASE("mistakes end in one line that says what was expected") {
  const auto fails = [](std::vector<std::string> args, const std::string& input, int status) {
    args.insert(args.begin(), {"tokenizer", "train"});
    const auto result = run_fathom(args, input);
    CHECK(result.status == status);
    CHECK(result.out == "");
    return result.err;
  };
  const TempFolder folder;
  const std::string out = (folder / "x.json").string(), nowhere = "/nonexistent/folder/x.json";
  CHECK(fails({"-", "--out", out}, "", 1) == "fathom: standard input: expected text, found an empty file\n");
  CHECK(fails({"-", "--out", out}, "a\xff", 1) ==
        "fathom: standard input: expected UTF-8, found byte 0xff at byte 1\n");
  CHECK(fails({"-", "--out", out, "--vocab", "100"}, "abc", 1).find("fathom: vocabulary: expected 274") == 0);
  CHECK(
      fails({"-", "--out", out, "--vocab", "1000"}, "abc", 1).find("fathom: vocabulary: expected at most") ==
      0);
  CHECK(fails({"/nonexistent", "--out", out}, "", 1).find("fathom: /nonexistent: ") == 0);
  // Asked for before the texts are read.
  CHECK(fails({"/nonexistent", "--out", nowhere}, "", 1).find("fathom: /nonexistent/folder/") == 0);
  CHECK(fails({"-", "--out", "/proc/x/y", "--vocab", "274"}, "abc", 1).find("fathom: /proc/x/y: ") == 0);
  CHECK(fails({kCorpus, "--out", out, "--digits", "2"}, "", 2).find("fathom: ") == 0);
  CHECK(fails({kCorpus}, "", 2).find("fathom: --out is required") == 0);
}

}  // namespace
}  // namespace fathom::test

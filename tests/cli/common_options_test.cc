// The options that commands have in common are where they mean something (docs/decisions/0010), and nowhere
// else.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

using test::run_fathom;

}  // namespace

TEST_CASE("-v says on standard error what was chosen, and changes nothing else") {
  const test::TempFolder folder;
  const std::string text = folder.write("text.txt", std::string(5000, 'a') + "\n").string();
  struct Case {
    std::vector<std::string> args;
    const char* said;
  };
  for (const Case& c : std::vector<Case>{
           {{"run", "-m", "v4-10m", "--max-tokens", "1", "-p", "x", "--threads", "1"}, "official naming, "},
           {{"inspect", "v4-10m"}, "official naming, "},
           {{"tokenize", "-m", "v4-10m", text}, "a tokenizer of 4096 tokens\n"},
           {{"detokenize", "-m", "v4-10m"}, "a tokenizer of 4096 tokens\n"},
           {{"render", "-m", "v4-10m"}, "fathom: prompt encoding of 2026-"},
           {{"data", text, "--tokenizer", "v4-10m", "--out", (folder / "data").string()},
            "a tokenizer of 4096 "},
           {{"tokenizer", "train", text, "--vocab", "274", "--out", (folder / "t.json").string(), "--threads",
             "1"},
            ": 1 thread\n"},
           {{"convert", "tests/golden/fp32/a_swa", "--to", "gguf", "--out", (folder / "a.gguf").string(),
             "--threads", "1"},
            " tensors: 1 thread\n"},
           {{"init", "--config", "tests/golden/fp32/a_swa/config.json", "--out", (folder / "i").string(),
             "--threads", "1", "--no-pin"},
            ": 1 thread\n"},
           {{"verify", "tests/golden/fp32/a_swa", "--threads", "1", "--target", "plain"},
            ": plain, 1 thread\n"},
           {{"train", "no/recipe", "--threads", "1", "--target", "plain"}, "no/recipe: plain, 1 thread\n"}}) {
    CAPTURE(c.args);
    const std::string input = c.args[0] == "render" ? R"([{"role":"user","content":"x"}])" : "[1]";
    auto args = c.args;
    args.emplace_back("-v");
    const auto said = run_fathom(args, input);
    CHECK_MESSAGE(said.status == (c.args[0] == "train" ? 1 : 0), said.err);
    CHECK_MESSAGE(said.err.find(c.said) != std::string::npos, said.err);
    const bool writes = c.args[0] == "data" || c.args[0] == "convert" || c.args[0] == "init" ||
                        c.args[0] == "train" || c.args[0] == "tokenizer";
    if (writes) continue;  // its folder is there by now
    const auto silent = run_fathom(c.args, input);
    CHECK(silent.err.find(c.said) == std::string::npos);
    if (c.args[0] != "run") CHECK(silent.out == said.out);
  }
}

TEST_CASE("an option that would have no effect is refused") {
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"plan", "v4-flash", "--threads", "1"},
           {"plan", "v4-flash", "--target", "plain"},
           {"plan", "v4-flash", "-v"},
           {"plan", "v4-flash", "--memory", "1G"},
           {"tokenize", "--threads", "1"},
           {"convert", "v4-10m", "--to", "gguf", "--out", "/tmp/never", "--memory", "1G"},
           {"verify", "tests/golden/fp32/a_swa", "--numerics", "fast"},
           {"inspect", "v4-10m", "--threads", "1"}}) {
    CAPTURE(args);
    CHECK(run_fathom(args).status == 2);
  }
  CHECK(run_fathom({"parse", "-m", "no/such/model"}, "x").status == 1);
}

}  // namespace fathom

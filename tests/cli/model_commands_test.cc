// convert, init, inspect and score as a user calls them: output, exit status, one line of error.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;
using test::run_fathom;

const std::string kMixed = "tests/golden/quantised/mixed";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("convert there and back; the answer stays the same") {
  const test::TempFolder folder;
  const std::string gguf = folder / "m.gguf", back = folder / "back";
  const auto there = run_fathom({"convert", "v4-10m", "--to", "gguf", "--dtype", "bf16", "--out", gguf});
  CHECK(there.status == 0);
  CHECK(there.out == gguf + ": 209 tensors, 21.0 MB, 0 matrices rounded\n");
  CHECK(contains(there.err, "note: llama.cpp accepts the compression ratios 0, 4 and 128 alone"));
  CHECK(run_fathom({"convert", gguf, "--to", "official", "--out", back}).status == 0);
  const std::vector<std::string> rest = {"-p", "Once upon a time", "--raw", "--max-tokens",
                                         "12", "--temperature",    "0"};
  std::vector<std::string> answers;
  for (const std::string& model : {std::string("v4-10m"), gguf, back}) {
    std::vector<std::string> args = {"run", "-m", model};
    args.insert(args.end(), rest.begin(), rest.end());
    answers.push_back(run_fathom(args).out);
  }
  CHECK_FALSE(answers[0].empty());
  CHECK(answers[1] == answers[0]);
  CHECK(answers[2] == answers[0]);
}

TEST_CASE("convert refuses with one line and status 1, usage with 2") {
  const test::TempFolder folder;
  const auto fp8 = run_fathom(
      {"convert", kMixed, "--to", "gguf", "--dtype", "fp8", "--out", std::string(folder / "m.gguf")});
  CHECK(fp8.status == 1);
  CHECK(fp8.err == "fathom: --dtype: expected f32, f16, bf16, q8_0, mxfp4 or release for gguf, found fp8\n");
  CHECK(run_fathom({"convert", kMixed, "--to", "onnx", "--out", "x"}).status == 2);
  CHECK(run_fathom({"convert", kMixed, "--to", "gguf"}).status == 2);
  CHECK(run_fathom({"convert", "/nowhere", "--to", "official", "--out", "x"}).status == 1);
  CHECK(folder.names().empty());
}

TEST_CASE("convert replaces nothing in a folder unless forced") {
  const test::TempFolder folder;
  const std::string out = folder / "out";
  fs::create_directory(out);
  folder.write("out/tokenizer.json", "mine");
  const auto refused = run_fathom({"convert", "v4-10m", "--to", "official", "--out", out});
  CHECK(refused.status == 1);
  CHECK(refused.err ==
        "fathom: " + out +
            ": expected a new or an empty folder, found tokenizer.json (--force replaces files)\n");
  CHECK(test::read_text(folder / "out/tokenizer.json") == "mine");
  CHECK(run_fathom({"convert", "v4-10m", "--to", "official", "--out", out, "--force"}).status == 0);
  CHECK(test::read_text(folder / "out/tokenizer.json").size() > 1000);
  CHECK(run_fathom({"run", "-m", out, "--max-tokens", "1", "-p", "x"}).status == 0);
}

TEST_CASE("init names a config that is not there once, and leaves no folder") {
  const test::TempFolder folder;
  const std::string config = folder / "nosuch";
  const auto r = run_fathom({"init", "--config", config, "--out", std::string(folder / "a/b")});
  CHECK(r.status == 1);
  CHECK(r.err == "fathom: " + config + ": expected a readable file, found: No such file or directory\n");
  CHECK(folder.names().empty());
}

TEST_CASE("init: presets as sparse files, configs, and what inspect says of them") {
  const test::TempFolder folder;
  const std::string flash = folder / "flash", small = folder / "small";
  const auto made = run_fathom({"init", "--preset", "v4-flash", "--sparse", "--out", flash});
  CHECK(made.status == 0);
  CHECK(contains(made.out, "43 layers, 159.61 GB (sparse)"));
  const auto report = run_fathom({"inspect", flash});
  CHECK(report.status == 0);
  CHECK(contains(report.out, "69187 tensors, 159609485896 bytes, 284.33 B parameters in the main model"));
  CHECK(contains(report.out, "not checked (--check reads them all)"));

  CHECK(run_fathom({"init", "--config", kMixed + "/config.json", "--dtype", "release", "--seed", "5", "--out",
                    small})
            .status == 0);
  const auto json = nlohmann::json::parse(run_fathom({"inspect", "-m", small, "--json"}).out);
  CHECK(json.at("scales").at("state") == "good");
  CHECK(json.at("config").at("expert_dtype") == "fp4");
  CHECK(json.at("missing").empty());

  CHECK(run_fathom({"init", "--out", small}).status == 2);
  CHECK(run_fathom({"init", "--preset", "v4-flash", "--config", "x", "--out", small}).status == 2);
  CHECK(run_fathom({"init", "--config", kMixed + "/config.json", "--out", small}).status == 1);  // is there
}

TEST_CASE("score: lines, JSON, standard input") {
  const auto lines = run_fathom({"score", "-", "--row", "16"}, "Once upon a time there was a king.");
  CHECK(lines.status == 0);
  CHECK(lines.out.starts_with("bits per byte  "));
  const auto json = run_fathom({"score", "-", "--json", "--mtp"}, "Once upon a time there was a king.");
  const auto value = nlohmann::json::parse(json.out);
  CHECK(value.at("bytes") == 34);
  CHECK(value.at("rows") == 1);
  CHECK(value.at("bits_per_byte") > 0.2);
  CHECK(value.at("bits_per_byte") < 3);
  CHECK(value.at("mtp").at("drafts") == value.at("tokens").get<int>() - 1);
  CHECK(run_fathom({"score", "-"}, "").status == 1);
  CHECK(run_fathom({"score", "-", "--row", "1"}, "x").status == 2);
  CHECK(run_fathom({"score", "-", "-m", kMixed}, "x").status == 1);  // no tokenizer
}

TEST_CASE("inspect routing and attention") {
  const auto routing = run_fathom({"inspect", "routing", "-m", "v4-10m", "-p", "Once upon a time"});
  CHECK(routing.status == 0);
  CHECK(contains(routing.out, "16 experts (an even load has 4.00 bits of entropy)"));
  const auto json = nlohmann::json::parse(
      run_fathom({"inspect", "attention", "-m", "v4-10m", "--json"}, "Once upon a time").out);
  CHECK(json.at("layers").size() == 6);
  CHECK(json.at("layers").at(2).at("kind") == "csa");
}

}  // namespace fathom

// fathom verify as a user calls it: tables, JSON, what is listed as not checked, and what fails.
#include <doctest/doctest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "cli/command.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(FATHOM_SOURCE_DIR) / "tests" / "golden";

struct Outcome {
  std::string out, error;
};

// Runs the command; what it wrote to standard output, and the message if it failed.
Outcome verify(const std::string& line) {
  CLI::App app;
  cli::register_verify(app);
  const fs::path file = fs::temp_directory_path() / ("fathom_verify_test_" + std::to_string(getpid()));
  std::fflush(stdout);
  const int saved = dup(STDOUT_FILENO);
  REQUIRE(std::freopen(file.c_str(), "w", stdout) != nullptr);
  Outcome outcome;
  try {
    app.parse("verify " + line, false);
  } catch (const Error& error) {
    outcome.error = error.message();
  }
  std::fflush(stdout);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  outcome.out = text.str();
  fs::remove(file);
  return outcome;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A copy of a golden folder that a test may spoil.
struct Copy {
  fs::path folder = fs::temp_directory_path() / ("fathom_verify_copy_" + std::to_string(getpid()));
  explicit Copy(const fs::path& from) {
    fs::remove_all(folder);
    fs::copy(from, folder, fs::copy_options::recursive);
  }
  ~Copy() { fs::remove_all(folder); }
};

TEST_CASE("a golden folder passes, as table and as JSON") {
  const std::string folder = (kGolden / "fp32" / "a_swa").string();
  const Outcome table = verify(folder);
  CHECK(table.error.empty());
  CHECK(contains(table.out, "(fp32)"));
  CHECK(contains(table.out, "  ok   logits "));
  CHECK(contains(table.out, "not checked: report.json"));
  CHECK(contains(table.out, "1 folders, 6 quantities, all within their bounds"));

  const auto json = nlohmann::json::parse(verify("--json --threads 1 " + folder).out);
  CHECK(json.at("passed") == true);
  CHECK(json.at("folders").at(0).at("layout") == "fp32");
  CHECK(json.at("folders").at(0).at("items").size() == 6);
  CHECK(json.at("folders").at(0).at("items").at(1).at("bound") == 1e-4);
}

TEST_CASE("one wrong value fails and is named") {
  const Copy copy(kGolden / "fp32" / "a_swa");
  const fs::path file = copy.folder / "expected.safetensors";
  fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
  {
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    char size[8];
    stream.read(size, 8);
    uint64_t header = 0;
    std::memcpy(&header, size, 8);
    std::string text(header, ' ');
    stream.read(text.data(), static_cast<std::streamsize>(header));
    const auto offset = nlohmann::json::parse(text).at("s2.logits").at("data_offsets").at(0).get<uint64_t>();
    const float wrong = 100.0f;
    stream.seekp(static_cast<std::streamoff>(8 + header + offset));
    stream.write(reinterpret_cast<const char*>(&wrong), sizeof wrong);
  }
  const Outcome outcome = verify(copy.folder.string());
  CHECK(contains(outcome.out, "  FAIL logits "));
  CHECK(contains(outcome.out, "  ok   streams "));
  CHECK(outcome.error == "verify: expected every quantity within its bound, found 1 of 6 beyond");
  CHECK(nlohmann::json::parse(verify("--json " + copy.folder.string()).out).at("passed") == false);
}

TEST_CASE("files beside the folders are listed; nothing to check is a failure") {
  const Copy copy(kGolden / "fp32" / "a_swa");
  const Outcome outcome = verify(copy.folder.parent_path().string() + "/no_such_folder");
  CHECK(contains(outcome.error, "expected a folder or a model file, found nothing"));

  fs::create_directory(copy.folder / "below");
  for (const auto& entry : fs::directory_iterator(kGolden / "fp32" / "a_swa")) {
    fs::rename(copy.folder / entry.path().filename(), copy.folder / "below" / entry.path().filename());
  }
  std::ofstream(copy.folder / "other.safetensors") << "x";
  const Outcome below = verify(copy.folder.string());
  CHECK(below.error.empty());
  CHECK(contains(below.out, "not checked: other.safetensors"));

  fs::remove_all(copy.folder / "below");
  CHECK(contains(verify(copy.folder.string()).error, "expected golden vectors or a model"));
}

TEST_CASE("links that lead in a circle do not stop a walk over folders") {
  const Copy copy(kGolden / "fp32" / "a_swa");
  fs::create_directory(copy.folder / "below");
  for (const auto& entry : fs::directory_iterator(kGolden / "fp32" / "a_swa")) {
    fs::rename(copy.folder / entry.path().filename(), copy.folder / "below" / entry.path().filename());
  }
  fs::create_symlink("loop", copy.folder / "loop");
  fs::create_directory_symlink("..", copy.folder / "below" / "up");
  fs::create_symlink("cases.jsonl", copy.folder / "cases.jsonl");
  fs::create_symlink("loop.safetensors", copy.folder / "below" / "loop.safetensors");
  const Outcome outcome = verify(copy.folder.string());
  CHECK(outcome.error == "");
  CHECK(contains(outcome.out, "1 folders, 6 quantities, all within their bounds"));
}

TEST_CASE("training steps and Muon's pairs are held to") {
  const Copy copy(kGolden / "fp32" / "h_mtp");
  fs::copy(kGolden / "fp32" / "muon.safetensors", copy.folder / "muon.safetensors");
  const Outcome whole = verify(copy.folder.string());
  CHECK(whole.error.empty());
  CHECK(contains(whole.out, "  ok   training (split) loss "));
  CHECK(contains(whole.out, "  ok   training (whole) parameter norms"));
  CHECK(contains(whole.out, "  ok   Newton-Schulz "));

  std::ofstream(copy.folder / "muon.safetensors") << "x";
  CHECK(contains(verify(copy.folder.string()).error, "muon.safetensors"));
  fs::remove(copy.folder / "muon.safetensors");
  std::string steps;
  {
    std::ifstream in(copy.folder / "training_steps.split.json");
    steps.assign(std::istreambuf_iterator<char>(in), {});
  }
  const size_t at = steps.find("\"grad_norm\":");
  REQUIRE(at != std::string::npos);
  steps.insert(at + 12, "9");
  std::ofstream(copy.folder / "training_steps.split.json") << steps;
  const Outcome spoiled = verify(copy.folder.string());
  CHECK(contains(spoiled.out, "  FAIL training (split) gradient norm"));
  CHECK(!spoiled.error.empty());
}

TEST_CASE("a model without vectors, on a named target") {
  const Outcome outcome = verify("--target plain " + (kGolden / "fp32" / "i_csa_m6" / "hf").string());
  CHECK(outcome.error.empty());
  CHECK(contains(outcome.out, "(invariants)"));
  CHECK(contains(outcome.out, "1 and 2 threads"));
}

}  // namespace
}  // namespace fathom

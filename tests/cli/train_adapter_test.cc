// LoRA as a user does it: train, run with the adapter, merge it; and adapters that do not belong.
#include <doctest/doctest.h>

#include "tests/cli/train_program.h"

namespace fathom::test {
namespace {

// logits of a few tokens, as a file's bytes.
std::string logits_of(const Folder& folder, const std::string& name, std::vector<std::string> model) {
  const std::string out = folder / (name + ".safetensors");
  model.insert(model.begin(), {"logits"});
  model.insert(model.end(), {"--ids", folder / "ids.json", "--out", out});
  const auto done = run_fathom(model, "", 60);
  CAPTURE(done.err);
  CHECK(done.status == 0);
  return bytes_of(out);
}

}  // namespace

TEST_CASE("an adapter is trained, run, merged to the same logits, and refused where it does not fit") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  folder.write("ids.json", "[5, 17, 300, 42, 7, 99, 1200, 3]\n");
  const std::string base = folder / "base/model", adapter = folder / "lora/adapter";
  const auto made = run_fathom(
      arguments(text, folder / "base", {"--set", "stages.0.steps=2", "--set", "stages.1.steps=2"}), "", 120);
  CAPTURE(made.err);
  REQUIRE(made.status == 0);
  const auto trained = run_fathom({"train",  "recipes/lora.json",
                                   "--from", base,
                                   "--data", text,
                                   "--out",  folder / "lora",
                                   "--set",  "stages.0.steps=4",
                                   "--set",  "stages.0.row=64",
                                   "--set",  "stages.0.batch=128",
                                   "--set",  "stages.0.rate=0.05",
                                   "--set",  "stages.0.warmup=0",
                                   "--set",  "lora.rank=3",
                                   "--set",  "document_tokens=128",
                                   "--set",  "validation_tokens=256"},
                                  "", 120);
  CAPTURE(trained.err);
  REQUIRE(trained.status == 0);
  CHECK(trained.out == adapter + "\n");

  const std::string plain = logits_of(folder, "plain", {"-m", base});
  const std::string adapted = logits_of(folder, "adapted", {"-m", base, "--adapter", adapter});
  CHECK(adapted.size() == plain.size());
  CHECK(adapted != plain);
  const auto merged = run_fathom(
      {"convert", base, "--to", "official", "--adapter", adapter, "--out", folder / "merged"}, "", 60);
  CAPTURE(merged.err);
  REQUIRE(merged.status == 0);
  CHECK(logits_of(folder, "merged", {"-m", folder / "merged"}) == adapted);

  // Another rank than its matrices have, a file that is cut off, and another model.
  const auto config = nlohmann::json::parse(bytes_of(fs::path(adapter) / "adapter_config.json"));
  const auto refused = [&](const std::string& model, const std::string& from, const char* expected) {
    const auto found = run_fathom({"run", "-m", model, "--adapter", from, "-p", "x", "--max-tokens", "1"});
    CAPTURE(found.err);
    CHECK(found.status == 1);
    CHECK(found.err.find(expected) != std::string::npos);
  };
  const auto copy_of = [&](const char* name) {
    fs::copy(adapter, folder.path / name, fs::copy_options::recursive);
    return folder / name;
  };
  auto other = config;
  other["r"] = 4;
  const std::string rank = copy_of("rank");
  std::ofstream(fs::path(rank) / "adapter_config.json") << other;
  refused(base, rank, "matrix of rank 4, found F32 [3, ");
  const std::string cut = copy_of("cut");
  fs::resize_file(fs::path(cut) / "adapter_model.safetensors", 5000);
  refused(base, cut, "adapter_model.safetensors: ");
  refused("models/v4-10m", adapter, "layers.0.attn.");
  refused(base, folder / "nowhere", "nowhere/adapter_config.json: ");
}

}  // namespace fathom::test

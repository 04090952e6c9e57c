// Poisoned recipes and data end a run before it starts, with a message that names the place; what breaks on
// the way (a full disk, a damaged checkpoint) costs no more than the steps since the last good checkpoint.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "tests/cli/train_program.h"
#include "tests/support/tensor_file.h"

namespace fathom::test {
namespace {

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

// The run under a limit of the size of a file, as on a disk that is full.
Finished with_full_disk(std::vector<std::string> args, int64_t kilobytes) {
  const std::string script =
      "ulimit -f " + std::to_string(2 * kilobytes) + "; trap '' XFSZ; exec \"$0\" \"$@\"";
  args.insert(args.begin(), {"/bin/sh", "-c", script, FATHOM_BINARY});
  return run_program(std::move(args), "", 120);
}

std::string newest_checkpoint(const std::string& run) {
  std::string newest;
  for (const auto& entry : fs::directory_iterator(run + "/checkpoints"))
    newest = std::max(newest, entry.path().string());
  return newest;
}

}  // namespace

TEST_CASE("every poisoned case is refused by name, before anything is trained") {
  const auto cases = read_json(fs::path(FATHOM_SOURCE_DIR) / "tests/cli/poisoned_training.json");
  CHECK(cases.size() > 30);
  for (const auto& each : cases) {
    CAPTURE(each["name"].get<std::string>());
    const Folder folder;
    const std::string file = each.value("file", std::string("fine.txt"));
    std::string data, text = each.value("text", std::string());
    if (text == "fine") text = story();
    if (each.contains("text")) {
      fs::create_directories((folder.path / file).parent_path());
      folder.write(file, text + from_hex(each.value("hex", std::string())));
      data = file.find('/') == file.npos ? folder / file : (folder.path / file).parent_path().string();
    }
    std::vector<std::string> more = each.value("more", std::vector<std::string>());
    for (const auto& set : each.value("set", std::vector<std::string>()))
      more.insert(more.end(), {"--set", set});
    const std::string out = each.value("out", folder / "run");
    const auto result = run_fathom(arguments(data, out, more), "", 60);
    CAPTURE(result.err);
    CHECK(result.status == 1);
    CHECK(result.err.find(each["error"].get<std::string>()) != std::string::npos);
    CHECK(result.err.find("step 1") == std::string::npos);
    CHECK(curve(out).empty());
  }
}

TEST_CASE("a full disk costs no checkpoint: the run goes on from the last one, with the same bits") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  REQUIRE(run_fathom(arguments(text, folder / "whole"), "", 120).status == 0);
  REQUIRE(run_fathom(arguments(text, folder / "run", {"--inject", "kill@5"}), "", 120).status == 137);
  const std::string kept = newest_checkpoint(folder / "run");
  CHECK(kept.ends_with("step-00000004"));

  const auto full = with_full_disk({"train", "--resume", folder / "run"}, 64);
  CAPTURE(full.err);
  CHECK(full.status == 1);
  CHECK(full.err.find("model.safetensors: ") != std::string::npos);
  CHECK(full.err.find("File too large") != std::string::npos);
  CHECK(newest_checkpoint(folder / "run") == kept);

  const auto resumed = run_fathom({"train", "--resume", folder / "run"}, "", 120);
  CAPTURE(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(curve(folder / "run") == curve(folder / "whole"));
}

TEST_CASE("a value that is no number in a checkpoint is named, and the checkpoint before it still serves") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  REQUIRE(run_fathom(arguments(text, folder / "whole"), "", 120).status == 0);
  REQUIRE(run_fathom(arguments(text, folder / "run", {"--inject", "kill@8"}), "", 120).status == 137);
  const std::string newest = newest_checkpoint(folder / "run");
  const std::string weights = newest + "/model.safetensors";
  const auto offset = TensorFile::open(weights).offset("layers.1.attn.wq_a.weight");
  {
    std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    file.write(reinterpret_cast<const char*>(&nan), sizeof nan);
  }
  const auto resumed = run_fathom({"train", "--resume", folder / "run"}, "", 60);
  CHECK(resumed.status == 1);
  CHECK(resumed.err.find(newest + ": layers.1.attn.wq_a.weight[0][0]: expected a finite value, found nan") !=
        std::string::npos);
  const auto from = run_fathom({"train", "recipes/finetune.json", "--from", newest, "--data", text, "--out",
                                folder / "from", "--set", "stages.0.row=64"},
                               "", 60);
  CHECK(from.status == 1);
  CHECK(from.err.find("layers.1.attn.wq_a.weight[0][0]: expected a finite value") != std::string::npos);

  fs::remove_all(newest);
  const auto again = run_fathom({"train", "--resume", folder / "run"}, "", 120);
  CAPTURE(again.err);
  CHECK(again.status == 0);
  CHECK(curve(folder / "run") == curve(folder / "whole"));
}

}  // namespace fathom::test

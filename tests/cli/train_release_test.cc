// What a run releases: the very weights that its last stage trained, and a card that says how.
#include <doctest/doctest.h>

#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "formats/decode.h"
#include "tests/cli/train_program.h"
#include "train/master_weights.h"

namespace fathom::test {
namespace {

std::vector<float> decoded(const WeightView& w) {
  std::vector<float> out(static_cast<size_t>(w.rows * w.cols));
  for (int64_t i = 0; i < w.rows; ++i) decode_row(w, i, out.data() + i * w.cols);
  return out;
}

const char* const kProblems =
    R"(data={"problems": {"generate": {"tasks": "add:2,count:4", "max": 0, "high": 0}}})";

}  // namespace

TEST_CASE("FP4 training: the released weights are those that the last stage computed with") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  const auto run = run_fathom(
      arguments(text, folder / "run",
                {"--set", "stages.1.precision=fp4", "--set", "model.hidden_size=64", "--set",
                 "model.moe_intermediate_size=64", "--set", "model.q_lora_rank=64", "--set",
                 "model.o_lora_rank=32", "--set", "model.head_dim=72", "--set", "model.index_head_dim=32"}),
      "", 120);
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  const auto trained = Checkpoint::open(fs::path(folder / "run") / "checkpoints/step-00000010");
  const auto released = Checkpoint::open(fs::path(folder / "run") / "model");
  const ModelConfig config = ModelConfig::parse(trained->config_json());
  const ParamTable table(config, 1);
  const MasterWeights masters = load_masters(table, *trained);
  ComputeWeights computed(table, masters, Precision::fp4);
  ThreadPool pool(1);
  computed.refresh(pool);
  int64_t fp4 = 0, fp8 = 0;
  for_each_param(
      config, 1,
      [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, const WeightView& view) {
        if (kind != ParamClass::matrix) return;
        CAPTURE(name);
        const WeightView found = released->matrix(name, rows, cols);
        fp4 += found.dtype == DType::F4_E2M1;
        fp8 += found.dtype == DType::F8_E4M3;
        CHECK(decoded(found) == decoded(view));
      },
      const_cast<ModelParams<WeightView>&>(computed.params()));
  CHECK(fp4 == 5 * 4 * 3);  // experts of four layers and MTP
  CHECK(fp8 > 0);

  const std::string card = bytes_of(fs::path(folder / "run") / "model/README.md");
  for (const char* part :
       {"license: mit", "# micro: a DeepSeek-V4 trained by fathom", "experts FP4", "my.txt",
        "| sparse | 6 | 64 | 128 | fp4 | sparse |", "bits per byte", "## Limits", "Not measured yet"}) {
    CAPTURE(part);
    CHECK(card.find(part) != std::string::npos);
  }
  // With an evaluation beside the run, convert writes a card that has it.
  std::ofstream(fs::path(folder / "run") / "eval-final.json")
      << R"({"numerics": "exact", "seed": 1, "tasks": [{"task": "mul:3", "think": "high", "problems": 40,
             "right": 39, "accuracy": 0.975, "answer_tokens": 180.5, "mtp": {"acceptance": 0.5}}],
             "needle": {"count": 20, "lengths": [512], "tokens": [512], "depths": [0, 1], "recalled": [[1], [0.5]]},
             "text": {"bits_per_byte": 1.25, "row": 1024, "perplexity": 9, "mtp_acceptance": 0.4}})";
  const auto converted = run_fathom({"convert", folder / "run/model", "--to", "official", "--dtype", "bf16",
                                     "--out", folder / "bf16", "--card", folder / "run"},
                                    "", 60);
  CAPTURE(converted.err);
  REQUIRE(converted.status == 0);
  const std::string second = bytes_of(fs::path(folder / "bf16") / "README.md");
  CHECK(second.find("`fathom eval -m MODEL --tasks mul:3 --think high --count 40 --seed 1 --needle 512 "
                    "--needle-count 20 --needle-depths 2 --text TEXT --row 1024`") != std::string::npos);
  CHECK(second.find("| mul:3 | high | 40 | 97.5 | 180 | 50.0 |") != std::string::npos);
  CHECK(second.find("| 100% | 50 |") != std::string::npos);
  CHECK(second.find("1.2500 bits per byte") != std::string::npos);
  CHECK(run_fathom({"convert", folder / "run/model", "--to", "gguf", "--out", folder / "m.gguf", "--card",
                    folder / "run"})
            .err.find("--card: expected a folder") != std::string::npos);
}

TEST_CASE("problems made as they are drawn: the same over kill -9, held-out ones validate") {
  const Folder folder;
  const auto whole = run_fathom(arguments("", folder / "whole", {"--set", kProblems}), "", 120);
  CAPTURE(whole.err);
  REQUIRE(whole.status == 0);
  CHECK(whole.err.find("data problems: made as it is drawn") != std::string::npos);
  CHECK(whole.err.find("validation problems: loss") != std::string::npos);
  CHECK(curve(folder / "whole").size() == 10);
  REQUIRE(run_fathom(arguments("", folder / "killed", {"--set", kProblems, "--inject", "kill@6"}), "", 120)
              .status == 137);
  const auto resumed = run_fathom({"train", "--resume", folder / "killed"}, "", 120);
  CAPTURE(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(curve(folder / "killed") == curve(folder / "whole"));
  CHECK(bytes_of(fs::path(folder / "whole") / "model/README.md").find("generated, problems: add:2,count:4") !=
        std::string::npos);
}

TEST_CASE("conversations longer than a row are counted in the log") {
  const Folder folder;
  std::string lines;
  for (int i = 0; i < 40; ++i) {
    const std::string question = i % 8 == 0 ? story().substr(0, 1200) : "Hen " + std::to_string(i) + "?";
    lines += nlohmann::json{{"messages",
                             {{{"role", "user"}, {"content", question}},
                              {{"role", "assistant"}, {"content", "It went to the hill."}}}}}
                 .dump() +
             "\n";
  }
  const auto run = run_fathom(arguments(folder.write("chats.jsonl", lines), folder / "run"), "", 120);
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  const std::string log = bytes_of(fs::path(folder / "run") / "log.jsonl");
  CHECK(log.find("{\"event\":\"left out\",\"step\":0,\"detail\":\"") != std::string::npos);
  CHECK(log.find("conversations of data, longer than a row of 64 tokens") != std::string::npos);
}

}  // namespace fathom::test

// fathom data and fathom train as a user runs them: to the end, over kill -9, and with mistakes.
#include <doctest/doctest.h>

#include "tests/cli/train_program.h"

namespace fathom::test {

TEST_CASE("a run over kill -9 ends with the bits of one that ran through, and its model answers") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  const auto whole = run_fathom(arguments(text, folder / "whole"), "", 120);
  CAPTURE(whole.err);
  REQUIRE(whole.status == 0);
  CHECK(whole.out == (folder / "whole") + "/model\n");
  CHECK(whole.err.find("M parameters, 10 steps; memory: weights") != std::string::npos);
  CHECK(whole.err.find("bits per byte") != std::string::npos);
  CHECK(curve(folder / "whole").size() == 10);

  const auto killed =
      run_fathom(arguments(text, folder / "killed", {"--inject", "kill@6", "--threads", "1"}), "", 120);
  CHECK(killed.status == 137);
  CHECK(curve(folder / "killed").size() == 5);
  const auto again = run_fathom({"train", "--resume", folder / "killed", "--inject", "kill@3"}, "", 120);
  CHECK(again.status == 137);
  const auto resumed = run_fathom({"train", "--resume", folder / "killed"}, "", 120);
  CAPTURE(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(curve(folder / "killed") == curve(folder / "whole"));
  const std::string weights = "/checkpoints/step-00000010/model.safetensors";
  CHECK(bytes_of((folder / "killed") + weights) == bytes_of((folder / "whole") + weights));
  CHECK(!bytes_of((folder / "whole") + weights).empty());

  const auto answer = run_fathom({"run", "-m", (folder / "killed") + "/model", "--raw", "-p", "A fox",
                                  "--max-tokens", "3", "--temperature", "0"});
  CAPTURE(answer.err);
  CHECK(answer.status == 0);
  const auto twice = run_fathom(arguments(text, folder / "whole"), "", 60);
  CHECK(twice.status == 1);
  CHECK(twice.err.find("--resume goes on with it") != std::string::npos);
}

TEST_CASE("after the indexer's warm-up the log has the loss with its choices, and of its steps no other") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  const auto run = run_fathom(
      arguments(text, folder / "run", {"--set", "stages.0.attention=indexer", "--no-release"}), "", 120);
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  std::ifstream in(folder / "run/log.jsonl");
  int validations = 0, steps = 0;
  for (std::string line; std::getline(in, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.contains("event")) {
      if (entry["event"] != "validation") continue;
      ++validations;
      CHECK(entry["data"]["loss"].get<double>() > 1);
    } else {
      ++steps;
      CHECK(entry.contains("lm") == (entry["step"] > 4));
    }
  }
  CHECK(validations == 2);
  CHECK(steps == 10);
}

TEST_CASE("post-training over kill -9 ends with the bits of one that ran through") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  const auto base = run_fathom(
      arguments(text, folder / "base", {"--set", "stages.0.steps=2", "--set", "stages.1.steps=2"}), "", 120);
  CAPTURE(base.err);
  REQUIRE(base.status == 0);
  // A model that knows nothing: it learns from the balance loss, and the KL holds it where it began.
  const auto grpo = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> args = {"train", "recipes/grpo.json", "--from", (folder / "base") + "/model",
                                     "--out", folder / out};
    for (const char* set : {"stages.0.steps=8", "stages.0.warmup=0", "stages.0.grpo.problems=4",
                            "stages.0.grpo.group=3", "stages.0.grpo.updates=4", "stages.0.grpo.max_tokens=5",
                            "stages.0.grpo.kl=0.5", "stages.0.balance_weight=0.1", "checkpoint_every=3"}) {
      args.insert(args.end(), {"--set", set});
    }
    args.insert(args.end(), more.begin(), more.end());
    return run_fathom(args, "", 120);
  };
  const auto whole = grpo("whole", {});
  CAPTURE(whole.err);
  REQUIRE(whole.status == 0);
  CHECK(whole.err.find(", reference ") != std::string::npos);
  CHECK(whole.err.find("reward 0.000") != std::string::npos);
  CHECK(curve(folder / "whole").size() == 8);
  CHECK(grpo("killed", {"--inject", "kill@6", "--threads", "1"}).status ==
        137);  // step 3 of the second round
  CHECK(run_fathom({"train", "--resume", folder / "killed", "--inject", "kill@4"}, "", 120).status == 137);
  const auto resumed = run_fathom({"train", "--resume", folder / "killed"}, "", 120);
  CAPTURE(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(curve(folder / "killed") == curve(folder / "whole"));
  const std::string weights = "/checkpoints/step-00000008/model.safetensors";
  CHECK(bytes_of((folder / "killed") + weights) == bytes_of((folder / "whole") + weights));
  CHECK(bytes_of((folder / "whole") + weights) !=
        bytes_of((folder / "whole") + "/checkpoints/step-00000006/model.safetensors"));
  CHECK(bytes_of((folder / "whole") + "/report.html").find("Mean reward") != std::string::npos);
  const auto seed = grpo("seed", {"--set", "seed=2"});
  CHECK(curve(folder / "seed") != curve(folder / "whole"));
  const auto tight = grpo("tight", {"--set", "stages.0.row=8"});
  CHECK(tight.status == 1);
  CHECK(tight.err.find("row: expected room for prompts of") != std::string::npos);
}

TEST_CASE("distillation over kill -9 ends with the bits of one that ran through") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  for (const char* name : {"one", "two"}) {
    const auto made = run_fathom(arguments(text, folder / name,
                                           {"--set", "stages.0.steps=2", "--set", "stages.1.steps=2", "--set",
                                            std::string("seed=") + (name[0] == 'o' ? "1" : "2")}),
                                 "", 120);
    CAPTURE(made.err);
    REQUIRE(made.status == 0);
  }
  const auto distill = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> args = {
        "train",  "recipes/distill.json",
        "--from", (folder / "one") + "/model",
        "--out",  folder / out,
        "--set",  "stages.0.distill.teachers.0.from=" + (folder / "one") + "/model",
        "--set",  "stages.0.distill.teachers.1.from=" + (folder / "two") + "/model"};
    for (const char* set :
         {"stages.0.steps=6", "stages.0.warmup=0", "stages.0.distill.teachers.0.problems=3",
          "stages.0.distill.teachers.1.problems=3", "stages.0.distill.teachers.0.max_tokens=5",
          "stages.0.distill.teachers.1.max_tokens=5", "checkpoint_every=2"}) {
      args.insert(args.end(), {"--set", set});
    }
    args.insert(args.end(), more.begin(), more.end());
    return run_fathom(args, "", 120);
  };
  const auto whole = distill("whole", {});
  CAPTURE(whole.err);
  REQUIRE(whole.status == 0);
  CHECK(curve(folder / "whole").size() == 6);
  CHECK(bytes_of((folder / "whole") + "/log.jsonl").find("\"kl_teachers\":") != std::string::npos);
  CHECK(distill("killed", {"--inject", "kill@4", "--threads", "1"}).status == 137);
  const auto resumed = run_fathom({"train", "--resume", folder / "killed"}, "", 120);
  CAPTURE(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(curve(folder / "killed") == curve(folder / "whole"));
  const std::string weights = "/checkpoints/step-00000006/model.safetensors";
  CHECK(bytes_of((folder / "killed") + weights) == bytes_of((folder / "whole") + weights));
  CHECK(whole.err.find(", teachers ") != std::string::npos);

  fs::copy((folder / "one") + "/model", folder / "odd", fs::copy_options::recursive);
  std::ofstream(folder.path / "odd/tokenizer.json", std::ios::app) << "\n";
  const std::pair<std::string, const char*> mistakes[] = {
      {folder / "nowhere", "nowhere: "},
      {"models/nano", "nano: expected the student's 4096 tokens, found 2048"},
      {folder / "odd", "odd: tokenizer.json: expected the run's tokenizer, found another"}};
  for (const auto& [teacher, expected] : mistakes) {
    const auto refused =
        distill("refused", {"--dry-run", "--set", "stages.0.distill.teachers.1.from=" + teacher});
    CAPTURE(refused.err);
    CHECK(refused.status == 1);
    CHECK(refused.err.find("stages[0].distill.teachers[1].from: ") != std::string::npos);
    CHECK(refused.err.find(expected) != std::string::npos);
  }
}

TEST_CASE("mistakes are errors before anything is trained") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  const auto problem = [&](const std::string& data, std::vector<std::string> more,
                           const std::string& out = "run") {
    const auto result = run_fathom(arguments(data, folder / out, std::move(more)), "", 60);
    CHECK(result.status == 1);
    CHECK(!fs::exists(folder / "run/checkpoints"));
    return result.err;
  };
  const auto has = [](const std::string& text_, const char* part) {
    CAPTURE(text_);
    CHECK(text_.find(part) != std::string::npos);
  };
  has(problem(text, {"--set", "stages.0.stepz=3"}), "stages[0].stepz: expected one of");
  has(problem(text, {"--set", "model.vocab_size=1000"}),
      "tokenizer: expected at most the model's 1000 tokens");
  has(problem(text, {"--set", "stages.1.row=8192", "--set", "stages.1.batch=8192"}),
      "context of 4096 tokens");
  has(problem(text, {"--memory", "1M"}), "--memory: expected at most 1.0 MB (as asked)");
  has(problem(folder / "nothing.txt", {}), "nothing.txt: expected a readable file");
  has(problem(folder.write("empty.txt", ""), {}), "empty.txt: expected a text, found an empty file");
  has(problem(folder.write("bad.txt", "caf\xe9 au lait"), {}), "bad.txt: expected UTF-8");
  has(problem(text, {}, "my.txt"), "my.txt");  // a file where the folder should be
  CHECK(run_fathom({"train"}).status == 2);
  CHECK(run_fathom({"train", "--resume", folder / "nowhere"}).err.find("found no recipe.json") !=
        std::string::npos);
}

TEST_CASE("data prepared with another tokenizer is refused; prepared data trains") {
  const Folder folder;
  const std::string text = folder.write("my.txt", story());
  const auto prepared = run_fathom({"data", text, "--out", folder / "data", "--tokenizer", "models/v4-10m",
                                    "--document-tokens", "128", "--licence", "CC0"});
  CAPTURE(prepared.err);
  CHECK(prepared.status == 0);
  CHECK(prepared.out.find("train ") == 0);
  const auto manifest = nlohmann::json::parse(bytes_of((folder / "data") + "/data.json"));
  CHECK(manifest["licence"] == "CC0");
  CHECK(run_fathom(arguments(folder / "data", folder / "run", {"--dry-run"}), "", 60).status == 0);

  std::string tokenizer = bytes_of(fs::path(FATHOM_SOURCE_DIR) / "models/v4-10m/tokenizer.json");
  folder.write("tokenizer.json", tokenizer + "\n");  // equal in meaning, another file
  const auto other = run_fathom(
      arguments(folder / "data", folder / "other", {"--set", "tokenizer=" + (folder / "tokenizer.json")}), "",
      60);
  CHECK(other.status == 1);
  CHECK(other.err.find("expected tokens of the run's tokenizer") != std::string::npos);
}

}  // namespace fathom::test

// The training loop with a toy in the model's place: stops, crashes, spikes and rollbacks.
#include "train/trainer.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/error.h"
#include "base/rng.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path = fs::temp_directory_path() / ("fathom_trainer_test_" + std::to_string(getpid()));
  Folder() { fs::remove_all(path), fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

// Pulls every weight towards a place that the tokens of the step shift a little.
class Toy : public Learner {
 public:
  Toy(const ParamTable& table, const MasterWeights& masters, int64_t* crash)
      : table_(table), masters_(masters), crash_(crash) {}
  void refresh() override { compute_ = masters_.values; }
  PassFigures learn(const Row& documents, const PassOptions& options, float* gradients) override {
    if (crash_ != nullptr && --*crash_ == 0) throw std::runtime_error("power cut");
    uint64_t hash = 0;
    PassFigures f = evaluate(documents, options);
    for (const RowDocument& d : documents) {
      for (const int32_t id : d.tokens) hash = hash * 31 + static_cast<uint64_t>(id);
    }
    if (older_ != nullptr) hash ^= std::bit_cast<uint32_t>(older_->values[0]);
    for (const TrainedParam& p : table_.params()) {
      for (int64_t i = p.offset; p.optimizer != OptimizerKind::none && i < p.offset + p.values(); ++i) {
        const auto noise = static_cast<float>(philox_uniform(hash, static_cast<uint64_t>(i)));
        gradients[i] += compute_[static_cast<size_t>(i)] - 0.1f + 0.1f * noise;
      }
    }
    f.expert_load.assign(table_.config().layers.size(), {});
    for (int64_t e = 0; e < table_.config().n_routed_experts; ++e) {
      f.expert_load.back().push_back(static_cast<int64_t>((hash >> e) % 50));
    }
    return f;
  }
  void anticipate(const MasterWeights* older) override { older_ = older; }
  PassFigures evaluate(const Row& documents, const PassOptions&) override {
    PassFigures f;
    for (const float w : compute_) f.lm += static_cast<double>(w) * static_cast<double>(w);
    f.loss = f.lm = f.lm / static_cast<double>(compute_.size());
    for (const RowDocument& d : documents) f.tokens += std::ssize(d.tokens);
    f.labels = f.tokens;
    return f;
  }

 private:
  const ParamTable& table_;
  const MasterWeights& masters_;
  const MasterWeights* older_ = nullptr;
  std::vector<float> compute_;
  int64_t* crash_;
};

struct Bench {
  Folder folder;
  ModelConfig config = ModelConfig::parse(Checkpoint::open(test::golden("fp32") / "h_mtp")->config_json());
  ParamTable table{config, config.num_nextn_predict_layers};
  ThreadPool pool{2};
  Recipe recipe;
  std::vector<RunData> data;

  Bench() {
    recipe = Recipe::parse(R"({"seed": 5, "from": "x", "data": {"a": "a"}, "checkpoint_every": 5,
      "guard": {"least": 4, "skips": 1, "anticipate": 3, "loss_z": 20, "norm_z": 20}, "validation_every": 8,
      "stages": [{"steps": 9, "row": 16, "batch": 64, "rate": 0.002, "warmup": 3, "precision": "fp32"},
                 {"steps": 15, "row": 32, "batch": 64, "rate": 0.002, "decay_from": 0.5, "precision": "fp32"}]})",
                           "recipe", "");
    ShardInfo info;
    info.vocab_size = config.vocab_size;
    ShardWriter train(info), validation(info);
    for (int i = 0; i < 60; ++i) {
      std::vector<int32_t> tokens;
      for (int t = 0; t < 5 + i * 7 % 40; ++t) tokens.push_back((i * 13 + t * 7) % 60);
      (i % 10 == 0 ? validation : train).add(tokens, {}, std::ssize(tokens));
    }
    train.write(folder.path / "train.tokens");
    validation.write(folder.path / "validation.tokens");
    data = {{"a", std::make_shared<TokenShard>(folder.path / "train.tokens"),
             std::make_shared<TokenShard>(folder.path / "validation.tokens")}};
  }

  RunFolder open(const std::string& name) {
    const fs::path path = folder.path / name;
    return fs::exists(path) ? RunFolder::open(path) : RunFolder::create(path, recipe.to_json(), "{}", "{}");
  }
  TrainerOptions options(int64_t* crash = nullptr) {
    TrainerOptions o;
    o.learner = [crash](const ParamTable& t, const MasterWeights& m, const RecipeStage&) {
      return std::make_unique<Toy>(t, m, crash);
    };
    o.pool = &pool;
    o.kernels = &kernels_for(detect_target());
    return o;
  }
  // Runs to the end; the weights.
  std::vector<float> run(const std::string& name, TrainerOptions o) {
    RunFolder run = open(name);
    Trainer trainer(recipe, table, initial_weights(table, {}), data, run, std::move(o));
    CHECK(trainer.run());
    return trainer.masters().values;
  }
  std::vector<nlohmann::json> log(const std::string& name) {
    std::vector<nlohmann::json> lines;
    std::ifstream in(folder.path / name / "log.jsonl");
    for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }
  // Loss and norm of every step, as printed.
  std::vector<std::string> curve(const std::string& name) {
    std::vector<std::string> out;
    for (const auto& line : log(name)) {
      if (line.contains("loss"))
        out.push_back(line["step"].dump() + " " + line["loss"].dump() + " " + line["norm"].dump());
    }
    return out;
  }
  int events(const std::string& name, const std::string& event) {
    int count = 0;
    for (const auto& line : log(name)) count += line.contains("event") && line["event"] == event;
    return count;
  }
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("stopped and crashed runs end with the bits of one that ran through") {
  Bench bench;
  const auto whole = bench.run("whole", bench.options());
  const auto curve = bench.curve("whole");
  REQUIRE(curve.size() == 24);
  CHECK(bench.events("whole", "validation") == 4);
  CHECK(bench.open("whole").checkpoints() == std::vector<int64_t>{20, 24});

  // A stage's first steps are not held against the stage before.
  const auto state = test::read_json(bench.open("whole").checkpoint(24) / "state.json");
  CHECK(state["guard"]["loss"].empty());
  const auto within = test::read_json(bench.open("whole").checkpoint(20) / "state.json");
  CHECK(within["guard"]["loss"].size() == 11);

  // Asked to stop before step 8, then gone on with.
  {
    TrainerOptions o = bench.options();
    int64_t left = 8;
    o.stop = [&] { return --left < 0; };
    RunFolder run = bench.open("stopped");
    Trainer trainer(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run, o);
    CHECK(!trainer.run());
    CHECK(run.checkpoints().back() == 8);
  }
  CHECK(same(bench.run("stopped", bench.options()), whole));
  CHECK(bench.curve("stopped") == curve);

  // Crashes in both stages, each between two checkpoints; no more than these steps are lost.
  for (int64_t crash : {7, 4, 6}) {
    RunFolder run = bench.open("crashed");
    const auto before = run.checkpoints();
    Trainer trainer(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run,
                    bench.options(&crash));
    CHECK_THROWS(trainer.run());
  }
  CHECK(same(bench.run("crashed", bench.options()), whole));
  CHECK(bench.curve("crashed") == curve);
}

namespace {

// Answers that depend on the weights, as real ones do.
class ToyPractice : public Practice {
 public:
  explicit ToyPractice(int64_t updates) : updates_(updates) {}
  PracticeRound practise(Learner& learner, Learner* reference, uint64_t seed, int64_t round) override {
    const double lm = learner.evaluate({}, {}).lm, other = reference ? reference->evaluate({}, {}).lm : 0;
    PracticeRound out;
    for (int64_t u = 0; u < updates_; ++u) {
      Row& row = out.steps.emplace_back();
      if ((round + u) % 4 == 3) continue;  // all answers alike
      RowDocument d;
      for (uint64_t t = 0; t < 6; ++t) {
        d.tokens.push_back(static_cast<int32_t>(philox(seed, static_cast<uint64_t>(round), t)[0] % 60));
        d.labels.push_back(t < 2 ? kUnlearned : 7);
      }
      d.tokens[0] = static_cast<int32_t>(std::bit_cast<uint64_t>(lm + other) % 50);
      d.credit = {0.1, {-lm / 3, -1.0 / 3, -2, -1e-9}, {}};
      row.push_back(std::move(d));
    }
    out.figures.answers = 8;
    out.figures.right = 2;
    out.figures.reward = lm;
    return out;
  }

 private:
  int64_t updates_;
};

}  // namespace

TEST_CASE("post-training: the answers of a round outlive a crash within it") {
  Bench bench;
  bench.recipe = Recipe::parse(R"({"seed": 5, "from": "x", "data": {"a": "a"}, "checkpoint_every": 5,
    "guard": {"least": 99, "anticipate": 0}, "stages": [
      {"steps": 4, "row": 16, "batch": 64, "rate": 0.002, "precision": "fp32"},
      {"steps": 17, "row": 32, "rate": 0.002, "precision": "fp32", "kind": "grpo",
       "grpo": {"tasks": "add", "problems": 3, "group": 2, "updates": 3, "max_tokens": 8, "kl": 0.1}}]})",
                               "recipe", "");
  const auto options = [&](int64_t* crash = nullptr) {
    TrainerOptions o = bench.options(crash);
    o.practice = [](const RecipeStage& s) { return std::make_unique<ToyPractice>(s.grpo.updates); };
    return o;
  };
  const auto whole = bench.run("whole", options());
  REQUIRE(bench.curve("whole").size() == 21);
  int rounds = 0;
  for (const auto& line : bench.log("whole")) {
    rounds += line.contains("reward");
    if (line.contains("reward")) CHECK(line["right"] == 0.25);
    if (line.contains("clipped")) CHECK(!line.contains("lm"));
  }
  CHECK(rounds == 6);
  for (int64_t crash : {7, 4, 6}) {
    RunFolder run = bench.open("crashed");
    Trainer trainer(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run,
                    options(&crash));
    CHECK_THROWS(trainer.run());
    const auto state = test::read_json(run.checkpoint(run.checkpoints().back()) / "state.json");
    if (run.checkpoints().back() == 5) CHECK(state["practice"].size() == 2);  // of three steps
  }
  CHECK(same(bench.run("crashed", options()), whole));
  CHECK(bench.curve("crashed") == bench.curve("whole"));
  // Without anyone to ask for answers.
  RunFolder run = bench.open("mute");
  Trainer mute(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run, bench.options());
  CHECK_THROWS_WITH_AS(mute.run(), doctest::Contains("kind: expected data, found practice"), Error);
}

TEST_CASE("another number of threads gives the same bits") {
  Bench bench;
  const auto two = bench.run("two", bench.options());
  ThreadPool one(1);
  TrainerOptions o = bench.options();
  o.pool = &one;
  CHECK(same(bench.run("one", o), two));
}

TEST_CASE("a gradient that is no number is skipped, a lasting spike rolled back") {
  Bench bench;
  TrainerOptions o = bench.options();
  o.faults = parse_faults("nan@6,spike@16x2");
  std::vector<std::string> messages;
  o.on_message = [&](const std::string& m) { messages.push_back(m); };
  const auto weights = bench.run("faults", o);
  CHECK(std::all_of(weights.begin(), weights.end(), [](float w) { return std::isfinite(w); }));
  CHECK(bench.events("faults", "injected") == 3);
  CHECK(bench.events("faults", "rollback") == 1);
  int skips = 0, rollbacks = 0, last = 0;
  for (const auto& line : bench.log("faults")) {
    if (line.contains("decision")) {
      skips += line["decision"] == "skip";
      rollbacks += line["decision"] == "rollback";
    }
    if (line.contains("loss")) last = line["step"];
  }
  CHECK(skips == 2);
  CHECK(rollbacks == 1);
  CHECK(last == 24);
  CHECK(!messages.empty());

  // Killed after the rollback, the run goes on behind it: in the new order, with the same bits.
  {
    TrainerOptions crashing = bench.options();
    int64_t crash = 20;
    crashing = bench.options(&crash);
    crashing.faults = parse_faults("nan@6,spike@16x2");
    RunFolder run = bench.open("killed");
    Trainer trainer(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run, crashing);
    CHECK_THROWS(trainer.run());
  }
  CHECK(same(bench.run("killed", bench.options()), weights));
  CHECK(bench.curve("killed") == bench.curve("faults"));
}

TEST_CASE("a run whose spikes do not end is given up, with its last good checkpoint") {
  Bench bench;
  bench.recipe.guard.rollbacks = 2;
  TrainerOptions o = bench.options();
  o.faults = parse_faults("spike@16x1000");
  RunFolder run = bench.open("hopeless");
  Trainer trainer(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run, o);
  CHECK_THROWS_AS(trainer.run(), Error);
  CHECK(bench.events("hopeless", "rollback") == 2);
  CHECK(bench.events("hopeless", "gave up") == 1);
  CHECK(!run.checkpoints().empty());
}

TEST_CASE("damaged checkpoints and wrong folders are refused by name") {
  Bench bench;
  bench.run("run", bench.options());
  const auto problem = [&](const auto& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  };
  CHECK(problem([&] { RunFolder::open(bench.folder.path / "nothing"); }).find("found no recipe.json") !=
        std::string::npos);
  CHECK(problem([&] {
          RunFolder::create(bench.folder.path / "run", "", "", "");
        }).find("found recipe.json") != std::string::npos);
  RunFolder run = bench.open("run");
  const auto load = [&] {
    return problem([&] {
      Trainer(bench.recipe, bench.table, initial_weights(bench.table, {}), bench.data, run, bench.options());
    });
  };
  CHECK(load() == "");
  const auto damage = [&](const char* file, int64_t from_end, const std::string& bytes) {
    const fs::path path = run.checkpoint(24) / file;
    const std::string was = test::read_text(path);
    std::string now = was;
    now.replace(now.size() - static_cast<size_t>(from_end), bytes.size(), bytes);
    std::ofstream(path, std::ios::binary) << now;
    const std::string found = load();
    std::ofstream(path, std::ios::binary) << was;
    return found;
  };
  const std::string nan("\x00\x00\xc0\x7f", 4);
  CHECK(damage("model.safetensors", 4, nan).find("expected a finite value, found nan") != std::string::npos);
  CHECK(damage("optimizer/model.safetensors", 1 << 12, nan).find("moments: expected finite") !=
        std::string::npos);
  CHECK(damage("state.json", 3, "x").find("state.json") != std::string::npos);
  CHECK(load() == "");
}

TEST_CASE("faults are read or refused") {
  const auto faults = parse_faults("nan@40,spike@50x3,kill@70");
  REQUIRE(faults.size() == 3);
  CHECK(faults[1].step == 50);
  CHECK(faults[1].count == 3);
  CHECK(faults[2].kind == InjectedFault::Kind::kill);
  for (const char* bad : {"nan", "nan@", "boom@3", "spike@x3", "kill@-1"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(parse_faults(bad), Error);
  }
}

}  // namespace fathom

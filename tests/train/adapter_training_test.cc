// Training adapters: the base stays as it is, runs go on with the same bits, and what is saved is what was
// trained.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "checkpoint/adapter.h"
#include "checkpoint/safetensors.h"
#include "model/training/loss.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"
#include "train/model_learner.h"
#include "train/trainer.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

Row documents(uint64_t seed) {
  Row row;
  for (uint64_t i = 0; i < 3; ++i) {
    RowDocument d;
    auto a = static_cast<int32_t>(philox(seed, i)[0] % 60), b = 1;
    for (int64_t t = 0; t < 30; ++t) {
      const int32_t next = (a + 3 * b + 1) % 60;
      d.tokens.push_back(b);
      d.labels.push_back(next);
      a = b, b = next;
    }
    row.push_back(std::move(d));
  }
  return row;
}

struct Bench {
  test::TempFolder folder;
  std::shared_ptr<const Checkpoint> base = Checkpoint::open(test::golden("fp32") / "h_mtp");
  ModelConfig config = ModelConfig::parse(base->config_json());
  AdapterShape shape;
  ThreadPool pool{2};
  const Kernels<float>& kernels = kernels_for(detect_target());

  Bench() {
    shape.rank = 4;
    shape.alpha = 8;
  }
  ParamTable table(const std::vector<std::string>& targets = {}, bool adamw = true) const {
    AdapterShape s = shape;
    s.targets = targets;
    ParamTableOptions options;
    options.adamw_only = adamw;
    return {config, 1, s, options};
  }
  std::unique_ptr<Learner> learner(const ParamTable& t, const MasterWeights& m, Precision p) {
    return std::make_unique<ModelLearner>(t, m, p, pool, kernels, base);
  }
};

MasterWeights made_up(const ParamTable& table) {
  MasterWeights masters = initial_weights(table, {});
  for (size_t i = 0; i < masters.values.size(); ++i) {
    if (masters.values[i] == 0) masters.values[i] = static_cast<float>(0.05 * philox_normal(3, i));
  }
  return masters;
}

}  // namespace

TEST_CASE("an adapter begins as nothing and learns, all of it, without a value of the base") {
  Bench bench;
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    CAPTURE(name(precision));
    const ParamTable table = bench.table();
    CHECK(table.size() < ParamTable(bench.config, 1).size());
    MasterWeights masters = initial_weights(table, {});
    const MasterWeights before = masters;
    PassOptions pass;
    pass.mtp_weight = 0.3;
    const ParamTable whole(bench.config, 1);
    const MasterWeights loaded = load_masters(whole, *bench.base);
    ModelLearner plain(whole, loaded, precision, bench.pool, bench.kernels);
    plain.refresh();
    const auto learner = bench.learner(table, masters, precision);
    Optimizer optimizer(table, {});
    std::vector<float> gradients(static_cast<size_t>(table.size()));
    const auto all = [](const TrainedParam&) { return true; };
    std::vector<double> losses;
    for (int step = 0; step < 25; ++step) {
      learner->refresh();
      std::fill(gradients.begin(), gradients.end(), 0.0f);
      losses.push_back(learner->learn(documents(1), pass, gradients.data()).lm);
      REQUIRE(optimizer.measure(bench.pool, gradients.data(), all).finite);
      optimizer.step(bench.pool, bench.kernels, gradients.data(), {0.01, 0.01, 0.01}, masters.values.data());
    }
    CHECK(losses[0] == plain.evaluate(documents(1), pass).lm);  // B is zero
    CHECK(losses.back() < 0.8 * losses[0]);
    for (const TrainedParam& p : table.params()) {
      CAPTURE(p.name);
      const auto first = masters.values.begin() + p.offset;
      const bool moved = !std::equal(first, first + p.values(), before.values.begin() + p.offset);
      CHECK(moved == !p.indexer);  // which the LM loss does not reach
    }
  }
}

TEST_CASE("what is saved is read with the same bits, and merged to what training computed with") {
  Bench bench;
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    CAPTURE(name(precision));
    const ParamTable table = bench.table(
        precision == Precision::fp32 ? std::vector<std::string>{} : std::vector<std::string>{"wq_b", "w2"});
    const MasterWeights masters = made_up(table);
    const fs::path folder = bench.folder.path() / std::string(name(precision));
    write_adapter(folder,
                  {table.adapter(), "a base", table.adapter_matrices(masters.values.data()), nullptr});
    CHECK(load_adapter_masters(table, folder).values == masters.values);
    const Adapter adapter = read_adapter(folder);
    CHECK(adapter.base == "a base");
    CHECK(adapter.shape.alpha == 8);

    const auto merged = merge_adapter(bench.base, adapter, bench.pool);
    const ParamTable whole(bench.config, 1);
    const MasterWeights loaded = load_masters(whole, *merged);
    CHECK(loaded.values != load_masters(whole, *bench.base).values);
    ModelLearner plain(whole, loaded, precision, bench.pool, bench.kernels);
    const auto learner = bench.learner(table, masters, precision);
    plain.refresh();
    learner->refresh();
    CHECK(learner->evaluate(documents(2), {}).lm == plain.evaluate(documents(2), {}).lm);
  }
}

TEST_CASE("names of transformers' modules where each matrix has one, official ones otherwise") {
  Bench bench;
  const auto names_of = [](const fs::path& folder) {
    const MappedFile file(folder / "adapter_model.safetensors");
    std::set<std::string> names;
    for (const SafetensorsTensor& t : read_safetensors(file)) names.insert(t.name);
    return names;
  };
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"wq_b", "shared_experts.w1"}, "base_model.model.model.layers.0.self_attn.q_b_proj.lora_A.weight"},
      {{"experts.1.w1", "wq_b"}, "base_model.model.layers.0.attn.wq_b.lora_A.weight"}};
  for (const auto& [targets, expected] : cases) {
    CAPTURE(expected);
    const ParamTable whole = bench.table(targets);
    AdapterShape shape = whole.adapter();
    const MasterWeights masters = made_up(whole);
    Adapter adapter{shape, "a base", whole.adapter_matrices(masters.values.data()), nullptr};
    std::erase_if(adapter.matrices, [](const AdapterMatrix& m) { return m.name.starts_with("mtp."); });
    const fs::path folder = bench.folder.path() / targets[1];
    write_adapter(folder, adapter, Naming::transformers);
    CHECK(names_of(folder).contains(expected));
    const Adapter read = read_adapter(folder);
    REQUIRE(read.matrices.size() == adapter.matrices.size());
    for (const AdapterMatrix& m : adapter.matrices) {
      const auto same = std::ranges::find(read.matrices, m.name, &AdapterMatrix::name);
      REQUIRE(same != read.matrices.end());
      CHECK(std::equal(m.a, m.a + 4 * m.cols, same->a));
      CHECK(std::equal(m.b, m.b + m.rows * 4, same->b));
    }
  }
}

TEST_CASE("a run of adapters that is stopped goes on with the same bits") {
  Bench bench;
  Recipe recipe = Recipe::parse(R"({"seed": 5, "from": "x", "data": {"a": "a"}, "checkpoint_every": 3,
      "lora": {"rank": 4, "alpha": 8}, "optimizer": {"kind": "adamw"},
      "stages": [{"steps": 8, "row": 32, "batch": 64, "rate": 0.01, "precision": "bf16"}]})",
                                "recipe", "");
  ShardInfo info;
  info.vocab_size = bench.config.vocab_size;
  ShardWriter writer(info);
  for (int i = 0; i < 40; ++i) {
    std::vector<int32_t> tokens;
    for (int t = 0; t < 20; ++t) tokens.push_back((i * 13 + t * 7) % 60);
    writer.add(tokens, {}, std::ssize(tokens));
  }
  writer.write(bench.folder.path() / "train.tokens");
  const std::vector<RunData> data = {
      {"a", std::make_shared<TokenShard>(bench.folder.path() / "train.tokens"), nullptr}};
  const ParamTable table = bench.table();
  const auto run = [&](const std::string& name, int64_t stop_at) {
    const fs::path path = bench.folder.path() / name;
    RunFolder folder = fs::exists(path) ? RunFolder::open(path) : RunFolder::create(path, "{}", "{}", "{}");
    TrainerOptions options;
    options.pool = &bench.pool;
    options.kernels = &bench.kernels;
    options.learner = [&](const ParamTable& t, const MasterWeights& m, const RecipeStage& s) {
      return bench.learner(t, m, s.precision);
    };
    int64_t steps = 0;
    options.stop = [&] { return steps++ == stop_at; };
    Trainer trainer(recipe, table, initial_weights(table, {}), data, folder, std::move(options));
    trainer.run();
    return trainer.masters().values;
  };
  const auto through = run("through", -1);
  run("stopped", 4);
  const auto stopped = run("stopped", -1);
  CHECK(std::memcmp(through.data(), stopped.data(), through.size() * sizeof(float)) == 0);
  CHECK(fs::exists(bench.folder.path() / "stopped/checkpoints/step-00000008/adapter_config.json"));
}

TEST_CASE("adapters that do not fit are refused by name") {
  Bench bench;
  const auto problem = [](const auto& f) {
    try {
      f();
    } catch (const Error& e) {
      return e.message();
    }
    return std::string();
  };
  CHECK(problem([&] { bench.table({"wq_a", "q_proj"}); }).find("q_proj") != std::string::npos);
  const ParamTable table = bench.table({"wq_a"});
  const MasterWeights masters = made_up(table);
  const fs::path folder = bench.folder.path() / "a";
  write_adapter(folder, {table.adapter(), "", table.adapter_matrices(masters.values.data()), nullptr});
  CHECK(problem([&] { load_adapter_masters(bench.table({"wo_b"}), folder); }).find("wo_b") !=
        std::string::npos);
  const auto with_config = [&](const std::string& json) {
    std::ofstream(folder / "adapter_config.json") << json;
    return problem([&] { merge_adapter(bench.base, read_adapter(folder), bench.pool); });
  };
  CHECK(with_config(R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": "all-linear"})")
            .empty());
  CHECK(with_config(R"({"peft_type": "IA3"})").find("peft_type") != std::string::npos);
  CHECK(with_config(R"({"peft_type": "LORA", "r": 5, "lora_alpha": 8})").find("rank 5") != std::string::npos);
  CHECK(with_config(R"({"peft_type": "LORA", "r": 0, "lora_alpha": 8})").find(".r") != std::string::npos);
  CHECK(with_config(R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_dora": true})").find("use_dora") !=
        std::string::npos);
  CHECK(with_config(R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "rank_pattern": {"wq_a": 2}})")
            .find("rank_pattern") != std::string::npos);
  CHECK(with_config("{").find("adapter_config.json") != std::string::npos);
}

}  // namespace fathom

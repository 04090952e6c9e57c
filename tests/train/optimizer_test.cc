// The optimizers against architecture.md section 13: Muon's golden pairs, one step beside a double reference
// on golden gradients, skipping, and the same bits for any number of threads.
#include "train/optimizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "kernels/newton_schulz.h"
#include "tests/support/tensor_file.h"
#include "train/balance.h"
#include "train/master_weights.h"
#include "train/schedule.h"

namespace fathom {
namespace {

const Kernels<float>& kernels() { return kernels_for(detect_target()); }

struct Setting {
  ParamTable table;
  MasterWeights masters;
  std::vector<float> gradients;
};

// A golden model with its golden gradients.
Setting setting(const std::string& folder, const ParamTableOptions& options = {}) {
  const auto path = test::golden("fp32") / folder;
  const auto checkpoint = Checkpoint::open(path);
  const ModelConfig config = ModelConfig::parse(checkpoint->config_json());
  Setting s{
      ParamTable(config, config.num_nextn_predict_layers, options), MasterWeights(ParamTable(config, 0)), {}};
  s.masters = load_masters(s.table, *checkpoint);
  s.gradients.resize(static_cast<size_t>(s.table.size()));
  const auto file = test::TensorFile::open(path / "gradients.safetensors");
  for (const TrainedParam& p : s.table.params()) {
    if (p.optimizer == OptimizerKind::none) continue;
    const auto values = file.f32("grad." + p.name);
    REQUIRE(std::ssize(values) == p.values());
    std::copy(values.begin(), values.end(), s.gradients.begin() + p.offset);
  }
  hold_equal_streams(s.table, s.gradients.data());
  return s;
}

bool all(const TrainedParam&) { return true; }

}  // namespace

TEST_CASE("Newton-Schulz of Muon equals its golden pairs") {
  const auto file = test::TensorFile::open(test::golden("fp32") / "muon.safetensors");
  const std::pair<const char*, double> cases[] = {{"col_40x1", 5e-6},
                                                  {"row_1x40", 5e-6},
                                                  {"square_48x48", 2e-5},
                                                  {"tall_96x32", 5e-6},
                                                  {"wide_24x80", 5e-6},
                                                  {"small_scale_32x48", 5e-6},
                                                  {"zero_8x12", 0},
                                                  {"ill_cond_40x40", 1e-3},
                                                  {"rank4_exact_48x32", 1e-3},
                                                  {"rank4_noise1e-3_48x32", 1e-3}};
  for (const auto& [name, bound] : cases) {
    CAPTURE(name);
    const auto shape = file.shape("in." + std::string(name));
    const auto in = file.f32("in." + std::string(name)), expected = file.f32("out." + std::string(name));
    std::vector<float> out(in.size()),
        scratch(static_cast<size_t>(newton_schulz_scratch(shape[0], shape[1])));
    kernels().newton_schulz(in.data(), shape[0], shape[1], out.data(), scratch.data());
    double worst = 0;
    for (size_t i = 0; i < out.size(); ++i)
      worst = std::max(worst, std::abs(double(out[i]) - double(expected[i])));
    CHECK(worst <= bound);
  }
}

TEST_CASE("one step of every parameter beside double arithmetic") {
  for (const bool split : {true, false}) {
    CAPTURE(split);
    ParamTableOptions options;
    options.split = split;
    Setting s = setting("d_mix", options);
    ThreadPool pool(1);
    Optimizer optimizer(s.table, {});
    const auto report = optimizer.measure(pool, s.gradients.data(), all);
    CHECK(report.finite);
    CHECK(report.skipped_experts == 0);
    const MasterWeights before = s.masters;
    const double rate = 2e-3;
    optimizer.step(pool, kernels(), s.gradients.data(), {rate, rate, rate}, s.masters.values.data());
    for (const TrainedParam& p : s.table.params()) {
      CAPTURE(p.name);
      const float* was = before.values.data() + p.offset;
      const float* now = s.masters.values.data() + p.offset;
      const float* g = s.gradients.data() + p.offset;
      if (p.optimizer == OptimizerKind::none) {
        if (p.kind == ParamClass::vector) CHECK(std::equal(was, was + p.values(), now));
        continue;
      }
      for (const RowRange& part : p.parts) {
        const int64_t first = part.first * p.cols, count = part.rows() * p.cols;
        const bool any = std::any_of(g + first, g + first + count, [](float x) { return x != 0; });
        std::vector<double> u(g + first, g + first + count);
        if (p.optimizer == OptimizerKind::muon) {
          for (double& x : u) x *= 1.95;  // M = G, so momentum M + G
          newton_schulz_reference<double>(u.data(), part.rows(), p.cols, u.data(), nullptr);
          const double scale = 0.18 * std::sqrt(static_cast<double>(std::max(part.rows(), p.cols)));
          for (double& x : u) x *= scale;
        } else {
          for (double& x : u) x = x / (std::abs(x) + 1e-20);  // the first step of AdamW
        }
        double worst = 0;
        for (int64_t i = 0; i < count; ++i) {
          const double w = was[first + i];
          const double expected = any ? w * (1 - rate * 0.1) - rate * u[static_cast<size_t>(i)] : w;
          worst = std::max(worst, std::abs(static_cast<double>(now[first + i]) - expected));
        }
        // fp32 lifts rounding noise of rank-poor gradients (golden README: 1e-3 of the update).
        CHECK(worst <= (any ? 5e-3 * rate : 0));
      }
    }
    // The LM loss does not reach the indexers; layer 0's attention mHC is held.
    const auto skipped = [&](const std::string& name) {
      return std::find(report.skipped.begin(), report.skipped.end(), name) != report.skipped.end();
    };
    CHECK(skipped("layers.2.attn.indexer.wq_b.weight"));
    CHECK(skipped("layers.0.hc_attn_fn[0:4]") == split);
    CHECK(skipped("layers.0.hc_attn_fn[8:24]") == split);
    CHECK(!skipped("layers.0.hc_attn_fn[4:8]"));
    CHECK(skipped("layers.2.attn.indexer.compressor.wkv.weight[0:16]") == split);
  }
}

TEST_CASE("three steps have the same bits for any number of threads") {
  const auto run = [](int threads, bool test_mode) {
    Setting s = setting("h_mtp");
    ThreadPoolOptions options{threads};
    options.test_mode = test_mode;
    ThreadPool pool(options);
    Optimizer optimizer(s.table, {});
    for (int step = 0; step < 3; ++step) {
      optimizer.measure(pool, s.gradients.data(), all);
      optimizer.step(pool, kernels(), s.gradients.data(), {1e-3, 2e-3, 3e-4}, s.masters.values.data());
      for (float& g : s.gradients) g = -0.5f * g;
    }
    return s.masters.values;
  };
  const auto one = run(1, false), many = run(3, true);
  CHECK(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)) == 0);
}

TEST_CASE("an expert without tokens keeps weights, momentum and count") {
  Setting s = setting("d_mix");
  ThreadPool pool(2);
  Optimizer optimizer(s.table, {});
  optimizer.measure(pool, s.gradients.data(), all);
  optimizer.step(pool, kernels(), s.gradients.data(), {1e-3, 1e-3, 1e-3}, s.masters.values.data());
  const auto weights = s.masters.values, first = optimizer.first_moments();
  std::vector<const TrainedParam*> silent;
  for (const char* w : {"w1", "w2", "w3"}) {
    silent.push_back(s.table.find(std::string("layers.3.ffn.experts.5.") + w + ".weight"));
    REQUIRE(silent.back() != nullptr);
    std::fill_n(s.gradients.begin() + silent.back()->offset, silent.back()->values(), 0.0f);
  }
  const auto report = optimizer.measure(pool, s.gradients.data(), all);
  CHECK(report.skipped_experts == 1);
  optimizer.step(pool, kernels(), s.gradients.data(), {1e-3, 1e-3, 1e-3}, s.masters.values.data());
  for (const TrainedParam* p : silent) {
    CHECK(std::equal(weights.begin() + p->offset, weights.begin() + p->offset + p->values(),
                     s.masters.values.begin() + p->offset));
    CHECK(std::equal(first.begin() + p->offset, first.begin() + p->offset + p->values(),
                     optimizer.first_moments().begin() + p->offset));
    CHECK(optimizer.step_counts()[static_cast<size_t>(p - s.table.params().data())] == 1);
  }
  CHECK(s.masters.values != weights);
}

TEST_CASE("gradients that are not finite are seen") {
  Setting s = setting("h_mtp");
  ThreadPool pool(1);
  Optimizer optimizer(s.table, {});
  s.gradients[100] = NAN;
  CHECK(!optimizer.measure(pool, s.gradients.data(), all).finite);
}

TEST_CASE("which optimizer, which matrices") {
  const ModelConfig config =
      ModelConfig::parse(Checkpoint::open(test::golden("fp32") / "d_mix")->config_json());
  ParamTableOptions options;
  const auto parts = [&](const char* name) {
    const ParamTable table(config, 0, options);
    const TrainedParam* p = table.find(name);
    REQUIRE(p != nullptr);
    return p->optimizer == OptimizerKind::muon ? static_cast<int>(p->parts.size()) : 0;
  };
  CHECK(parts("layers.1.attn.wq_b.weight") == 1);
  CHECK(parts("layers.1.attn.wo_a.weight") == config.o_groups);
  CHECK(parts("layers.2.attn.compressor.wkv.weight") == 2);
  CHECK(parts("layers.3.attn.compressor.wkv.weight") == 1);
  CHECK(parts("layers.1.hc_ffn_fn") == 3);
  CHECK(parts("hc_head_fn") == 1);
  CHECK(parts("layers.4.ffn.gate.weight") == 1);
  for (const char* name : {"embed.weight", "head.weight", "norm.weight", "layers.2.attn.compressor.ape",
                           "layers.0.attn.attn_sink", "layers.0.hc_attn_base", "hc_head_scale"}) {
    CAPTURE(name);
    CHECK(parts(name) == 0);
  }
  options.per_head = true;
  CHECK(parts("layers.1.attn.wq_b.weight") == config.num_attention_heads);
  options.adamw_only = true;
  CHECK(parts("layers.1.attn.wq_b.weight") == 0);
}

TEST_CASE("router bias and load") {
  std::vector<float> bias(4, 0.5f);
  update_router_bias({10, 30, 20, 20}, 1e-3, bias.data());
  CHECK(bias[0] == 0.5f + 1e-3f);
  CHECK(bias[1] == 0.5f - 1e-3f);
  CHECK(bias[2] == 0.5f);
  const LoadStatistics even = load_statistics({5, 5, 5, 5}), one = load_statistics({20, 0, 0, 0});
  CHECK(even.entropy == doctest::Approx(1));
  CHECK(even.max_over_mean == 1);
  CHECK(one.entropy == 0);
  CHECK(one.max_over_mean == 4);
  CHECK(one.dead == 3);
}

TEST_CASE("the schedule rises, stays and falls to its final share") {
  const Schedule s{2e-3, 100, 10, 60, 0.1};
  CHECK(s.share(0) == doctest::Approx(0.1));
  CHECK(s.share(9) == 1);
  CHECK(s.share(59) == 1);
  CHECK(s.share(79) == doctest::Approx(0.55));
  CHECK(s.share(99) == doctest::Approx(0.1));
  CHECK(s.rate(30) == 2e-3);
  CHECK(!s.decaying(59));
  CHECK(s.decaying(60));
}

}  // namespace fathom

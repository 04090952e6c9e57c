// The published figures of V4 and of the V3.2 baseline come out of the formulas (architecture.md section 10).
#include "engine/cost.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/cost_baseline.h"

namespace fathom {
namespace {

constexpr int64_t kMillion = 1'000'000;

CostModel preset(std::string_view name) { return cost_of(ModelConfig::preset(name), std::string(name)); }

// value rounded to `digits` after the point, as the figures are printed.
double rounded(double value, int digits) {
  double scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  return std::round(value * scale) / scale;
}
double billions(int64_t value) { return static_cast<double>(value) / 1e9; }
double percent(double a, double b) { return 100 * a / b; }

}  // namespace

TEST_CASE("total and active parameters") {
  const CostModel flash = preset("v4-flash");
  CHECK(rounded(billions(flash.total_parameters()), 2) == 284.33);
  CHECK(rounded(billions(flash.active_parameters()), 2) == 13.27);
  const CostModel pro = preset("v4-pro");
  CHECK(rounded(billions(pro.total_parameters()), 1) == 1573.0);
  CHECK(rounded(billions(pro.active_parameters()), 2) == 48.85);
  const CostModel v32 = v32_cost();
  CHECK(rounded(billions(v32.total_parameters()), 1) == 671.9);
  CHECK(rounded(billions(v32.active_parameters()), 2) == 37.48);
  // A drafter in place of the MTP block changes nothing that is counted.
  CHECK(preset("v4-flash-0731").total_parameters() == flash.total_parameters());
}

TEST_CASE("FLOPs of a token at a million tokens, against V3.2") {
  const TokenFlops v32 = v32_cost().flops(kMillion);
  const TokenFlops pro = preset("v4-pro").flops(kMillion), flash = preset("v4-flash").flops(kMillion);
  CHECK(rounded(percent(pro.equivalent_fp8(), v32.equivalent_fp8()), 1) == 26.8);
  CHECK(rounded(percent(flash.equivalent_fp8(), v32.equivalent_fp8()), 1) == 10.0);
  CHECK(rounded(percent(pro.plain(), v32.plain()), 1) == 26.5);
  CHECK(rounded(percent(flash.plain(), v32.plain()), 1) == 12.2);
}

TEST_CASE("KV bytes at a million tokens, against V3.2") {
  const int64_t v32 = v32_cost().kv_bytes(kMillion);
  const int64_t pro = preset("v4-pro").kv_bytes(kMillion), flash = preset("v4-flash").kv_bytes(kMillion);
  CHECK(rounded(billions(v32), 1) == 48.1);
  CHECK(rounded(billions(pro), 2) == 5.04);
  CHECK(rounded(billions(flash), 2) == 3.52);
  CHECK(rounded(percent(billions(pro), billions(v32)), 1) == 10.5);
  CHECK(rounded(percent(billions(flash), billions(v32)), 1) == 7.3);
}

TEST_CASE("bytes by dtype are those of the released checkpoint") {
  const CostModel flash = preset("v4-flash");
  CHECK(flash.bytes() == 156015698140);
  CHECK(flash.bytes() + flash.draft_bytes() == 159609485896);
  CHECK(preset("v4-pro-0813").bytes() + preset("v4-pro-0813").draft_bytes() == 892727580904);
}

TEST_CASE("entries by context, by hand, for a small config") {
  ModelConfig config = ModelConfig::preset("v4-flash");
  config.num_hidden_layers = 3;
  config.layers = {{LayerKind::swa, 0, false}, {LayerKind::csa, 4, false}, {LayerKind::hca, 128, false}};
  config.num_hash_layers = 0;
  const CostModel model = cost_of(config, "three layers");
  const double per_entry = 2.0 * 2 * 64 * 512;
  // 100 tokens: no window is full; 25 CSA entries, no HCA entry.
  CHECK(model.flops(100).attention == per_entry * (100 + 125 + 100));
  CHECK(model.flops(100).indexer == 2.0 * 25 * 64 * 128);
  CHECK(model.kv_bytes(100) == (100 + 125 + 100) * 584 + 25 * 68);
  // 10,000 tokens: the windows are full, the indexer chooses 512 of 2,500, 78 HCA entries.
  CHECK(model.flops(10000).attention == per_entry * (128 + 128 + 512 + 128 + 78));
  CHECK(model.kv_bytes(10000) == (128 + 128 + 2500 + 128 + 78) * 584 + 2500 * 68);
  CHECK(model.kv_bytes_read(10000) == (128 + 128 + 512 + 128 + 78) * 584 + 2500 * 68);
  CHECK(model.flops(0).attention == 0);
}

TEST_CASE("the largest geometry at the largest context does not overflow") {
  // Every size that enters the state at its limit (config_json.cc), 4096 layers.
  AttentionCost a;
  a.count = kMaxLayers;
  a.window = int64_t{1} << 20;
  a.ratio = 2;
  a.entry_bytes = 3 * (int64_t{1} << 16);
  a.index_bytes = int64_t{1} << 16;
  CostModel model;
  model.attention.push_back(a);
  const double entries = static_cast<double>(kMaxPlanContext / 2);
  const double expected = kMaxLayers * ((1048576.0 + entries) * 196608 + entries * 65536);
  CHECK(static_cast<double>(model.kv_bytes(kMaxPlanContext)) == doctest::Approx(expected));
  CHECK(static_cast<double>(model.kv_bytes_read(kMaxPlanContext)) == doctest::Approx(expected));
}

TEST_CASE("time and money of a token") {
  const CostModel flash = preset("v4-flash");
  const TokenTime slow_memory = token_time(flash, 1000, {1e9, 1e15});
  CHECK(slow_memory.seconds() == slow_memory.memory_seconds);
  CHECK(slow_memory.memory_seconds ==
        doctest::Approx(static_cast<double>(flash.active_bytes + flash.kv_bytes_read(1000)) / 1e9));
  // All but the embedding, the three hash tables and the 250 experts of each layer that the router left out.
  constexpr int64_t kExpertBytes = 3 * (2048 * 4096 / 2 + 2048 * 4096 / 32);
  CHECK(flash.active_bytes ==
        156015698140 - 129280 * 4096 * 2LL - 3 * 129280 * 6 * 8LL - 250 * 43 * kExpertBytes);
  const TokenTime slow_compute = token_time(flash, 1000, {1e15, 1e9});
  CHECK(slow_compute.seconds() == doctest::Approx(flash.flops(1000).plain() / 1e9));
  CHECK(cost_per_million(0.036, 2.5) == doctest::Approx(25));
}

}  // namespace fathom

// What training costs, counted again by hand, and the published figures.
#include "engine/training_cost.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/cost_baseline.h"
#include "engine/training_report.h"

namespace fathom {
namespace {

const TrainingPart& part(const std::vector<TrainingPart>& parts, const std::string& name) {
  for (const TrainingPart& each : parts) {
    if (each.part == name) return each;
  }
  FAIL("no part " << name);
  return parts.front();
}

double sum(const std::vector<TrainingPart>& parts) {
  double all = 0;
  for (const TrainingPart& each : parts) all += each.flops();
  return all;
}

// One CSA layer of ratio 4 with a window of 2 and the best entry, a head, an indexer, experts; an MTP block.
CostModel small() {
  CostModel m;
  m.name = "small";
  m.parts = {{"embedding", 1000, 0}, {"head", 1000, 1000}, {"experts", 800, 200}, {"indexer", 50, 50}};
  AttentionCost a;
  a.count = 3;
  a.kind = "csa";
  a.window = 2;
  a.ratio = 4;
  a.top_k = 1;
  a.flops_per_entry = 10;
  a.index_flops = 7;
  m.attention = {a};
  m.draft_active = 1300;
  return m;
}

TrainingPhase ten_tokens() {
  TrainingPhase p;
  p.name = "p";
  p.tokens = 10;
  p.steps = 2;
  p.row = 9;
  p.mtp = true;
  return p;
}

}  // namespace

TEST_CASE("the parts of a phase are those of the formulas") {
  const auto parts = training_flops(small(), ten_tokens());
  CHECK(part(parts, "head").forward == 20000);
  CHECK(part(parts, "head").backward == 40000);
  CHECK(part(parts, "experts").flops() == 3 * 4000);
  CHECK(part(parts, "indexer").flops() == 3 * 1000);
  CHECK(part(parts, "mtp").forward == 26000);
  CHECK(part(parts, "mtp").flops() == 3 * 26000);
  // Contexts 1..9: windows 1 and eight times 2; entries 0, 0, 0, 1, 1, 1, 1, 2, 2, of which one is chosen.
  CHECK(part(parts, "core attention").forward == doctest::Approx(10 * 3 * 10 * (17 + 6) / 9.0));
  CHECK(part(parts, "core attention").backward == doctest::Approx(2.5 * 10 * 3 * 10 * (17 + 6) / 9.0));
  CHECK(part(parts, "indexer scores").forward == doctest::Approx(10 * 3 * 7 * 8 / 9.0));
  CHECK(part(parts, "indexer scores").flops() == doctest::Approx(3 * 10 * 3 * 7 * 8 / 9.0));
}

TEST_CASE("what a stage leaves out is not counted, and what runs again is") {
  TrainingPhase dense = ten_tokens();
  dense.dense = true;
  dense.indexer_learns = false;
  const auto all = training_flops(small(), dense);
  CHECK(part(all, "core attention").forward == doctest::Approx(10 * 3 * 10 * (17 + 8) / 9.0));
  for (const TrainingPart& each : all) CHECK(each.part.find("indexer") == std::string::npos);

  TrainingPhase warm = ten_tokens();
  warm.indexer_only = true;
  for (const TrainingPart& each : training_flops(small(), warm)) {
    CAPTURE(each.part);
    CHECK(each.part != "head");
    CHECK(each.part != "mtp");
    CHECK((each.backward > 0) == (each.part.find("indexer") == 0));
  }

  TrainingPhase again = ten_tokens();
  again.layers_again = 0.5;
  CHECK(part(training_flops(small(), again), "experts").again == 2000);
  CHECK(part(training_flops(small(), again), "head").again == 0);
  CHECK(part(training_flops(small(), again), "mtp").again == 0);
  again.layers_again = 1;
  CHECK(part(training_flops(small(), again), "mtp").again == 26000);
}

TEST_CASE("time is the sum of its parts, shared by machines") {
  TrainingPhase p = ten_tokens();
  p.optimizer_flops = 500;
  p.optimizer_bytes = 300;
  p.pass_bytes = 40;
  p.gradient_bytes = 100;
  const auto parts = training_flops(small(), p);
  double products = 0;
  for (const TrainingPart& each : parts) products += each.matrix ? each.flops() : 0;
  TrainingMachines one;
  one.peak = 1000;
  one.peak_plain = 100;
  one.bandwidth = 50;
  one.network = 10;
  const TrainingTime t = training_time(small(), p, one);
  CHECK(t.products == doctest::Approx(products / 1000));
  CHECK(t.plain == doctest::Approx((sum(parts) - products) / 100));
  CHECK(part(parts, "optimizer").flops() == 1000);
  CHECK(t.memory == doctest::Approx((2 * 40 * 10 + 300 * 2) / 50.0));
  CHECK(t.network == 0);
  TrainingMachines four = one;
  four.count = 4;
  const TrainingTime quarter = training_time(small(), p, four);
  CHECK(quarter.products == doctest::Approx(t.products / 4));
  CHECK(quarter.memory == doctest::Approx(t.memory / 4));
  CHECK(quarter.network == doctest::Approx(2 * 0.75 * 100 * 2 / 10));
}

TEST_CASE("V3: its parameters, its FLOPs, and the hours that were published") {
  const CostModel v3 = v3_training_cost();
  CHECK(static_cast<double>(v3.total_parameters()) == doctest::Approx(671.0e9).epsilon(1e-3));
  CHECK(static_cast<double>(v3.active_parameters()) == doctest::Approx(37e9).epsilon(0.02));
  // The report: 14B parameters of MTP weights; one token meets the attention, eight experts, head.
  CHECK(static_cast<double>(v3.draft_active) > 1.5e9);
  CHECK(static_cast<double>(v3.draft_active) < 2.5e9);
  TrainingPhase p;
  p.tokens = 14.8e12;
  p.row = 4096;
  p.indexer_learns = false;
  // 6 FLOPs for each active parameter, and attention on top of it: 8 to 20%.
  const double flops = sum(training_flops(v3, p)), linear = 6 * 37e9 * 14.8e12;
  CHECK(flops > 1.05 * linear);
  CHECK(flops < 1.25 * linear);
  // 2.664M H800 hours: so a share of the peak of bf16 (989.5T) as large runs reach, and less than the peak.
  const double share = flops / 989.5e12 / 3600 / 2.664e6;
  CHECK(share > 0.3);
  CHECK(share < 0.5);
}

TEST_CASE("table and JSON say the same") {
  TrainingPlan plan;
  plan.name = "small";
  plan.model = small();
  plan.phases = {ten_tokens(), ten_tokens()};
  plan.memory = {{"weights", 8e6, true}, {"passes", 2e6, false}};
  plan.machines.count = 4;
  plan.machines.peak = 1e3;
  plan.machines.price_per_hour = 3600;
  plan.reached = 0.5;
  plan.published = "somebody's";
  plan.published_hours = 1;
  const auto json = nlohmann::json::parse(training_plan_json(plan));
  CHECK(json["tokens"] == 20);
  CHECK(json["memory"]["all"] == 4e6);
  const double full = json["seconds"]["full_speed"], all = json["flops"]["all"];
  CHECK(full == doctest::Approx(all / 1e3 / 4));
  CHECK(json["seconds"]["expected"].get<double>() == doctest::Approx(2 * full));
  CHECK(json["price"].get<double>() == doctest::Approx(2 * full * 4));
  CHECK(json["published"]["share_of_full_speed"].get<double>() == doctest::Approx(full * 4 / 3600));
  const std::string table = training_plan_table(plan);
  for (const char* text :
       {"training small", "memory of a machine", "4.00 MB", "at 50% of it", "somebody's"}) {
    CAPTURE(text);
    CHECK(table.find(text) != std::string::npos);
  }
}

}  // namespace fathom

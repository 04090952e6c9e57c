#include "cli/plan_training.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "cli/common_options.h"
#include "cli/number_checks.h"
#include "engine/cost_baseline.h"
#include "engine/training_report.h"
#include "kernels/newton_schulz.h"
#include "model/training/memory.h"
#include "train/recipe_file.h"
#include "train/session.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

// Of full speed, what our own run of recipes/nano.json reached (docs/training.md: "What a run will cost").
constexpr double kUsuallyReached = 0.5;
// What DeepSeek-V3's report states: H800 hours of pre-training, of its tokens, in batches of 15,360 rows of
// 4,096.
constexpr double kV3Hours = 2.664e6, kV3Tokens = 14.8e12;
constexpr int64_t kV3Batch = int64_t{15360} * 4096;

double number_or(const std::string& text, const char* flag, double thousand, double otherwise) {
  if (text.empty()) return otherwise;
  const double value = scaled_number(text, flag, thousand);
  if (value <= 0) throw CLI::ValidationError(flag, "expected more than 0, found " + text);
  return value;
}

int64_t whole_or(const std::string& text, const char* flag, double most, int64_t otherwise) {
  const double value = number_or(text, flag, 1024, static_cast<double>(otherwise));
  if (value > most || value != std::floor(value)) {
    throw CLI::ValidationError(flag, fmt::format("expected whole tokens up to {:.0f}, found {}", most, text));
  }
  return static_cast<int64_t>(value);
}

// Newton-Schulz of a matrix: of the two symmetric products the half that is computed.
double newton_schulz_flops(int64_t rows, int64_t cols) {
  const auto n = static_cast<double>(std::min(rows, cols)), k = static_cast<double>(std::max(rows, cols));
  return kNewtonSchulzSteps * (n * n * k + n * n * n + 2 * n * n * k);
}

struct OptimizerWork {
  double flops = 0, bytes = 0, gradient_bytes = 0;
};
// Bytes of a step: the gradient set to zero, measured, read; master and moments read and written; the copy
// made again.
OptimizerWork optimizer_work(const ParamTable& table, bool indexer_only) {
  constexpr double kAlways = 4 + 4 + 4 + 8 + 6, kMoment = 8;
  OptimizerWork work;
  for (const TrainedParam& p : table.params()) {
    if (p.optimizer == OptimizerKind::none || (indexer_only && !p.indexer)) continue;
    const auto values = static_cast<double>(p.values());
    const bool muon = p.optimizer == OptimizerKind::muon;
    work.bytes += values * (kAlways + (muon ? 1 : 2) * kMoment);
    work.gradient_bytes += values * 4;
    for (const RowRange& part : p.parts) work.flops += muon ? newton_schulz_flops(part.rows(), p.cols) : 0;
  }
  return work;
}

TrainingPhase phase_of(const Recipe& recipe, const RecipeStage& stage, const ParamTable& table) {
  TrainingPhase phase;
  phase.name = stage.name;
  phase.steps = static_cast<double>(stage.steps);
  phase.row = stage.row;
  const int64_t ramp = stage.batch_first > 0 ? std::min(stage.batch_ramp, stage.steps) : 0;
  for (int64_t s = 0; s < ramp; ++s) phase.tokens += static_cast<double>(stage.rows(s));
  phase.tokens += static_cast<double>(stage.steps - ramp) * static_cast<double>(stage.rows(ramp));
  phase.tokens *= static_cast<double>(stage.row);
  phase.dense = stage.attention != AttentionStage::sparse;
  phase.indexer_only = stage.attention == AttentionStage::indexer;
  phase.indexer_learns = stage.indexer_weight > 0;
  phase.mtp = table.mtp_blocks() > 0 && stage.mtp_weight > 0;
  const auto layers = static_cast<double>(table.config().num_hidden_layers);
  phase.layers_again = std::max(0.0, 1 - static_cast<double>(recipe.keep_layers) / layers);
  LossOptions options;
  options.dense_csa = phase.dense;
  options.indexer_weight = stage.indexer_weight;
  options.keep_layers = recipe.keep_layers;
  const int64_t group = std::min(recipe.micro_rows, stage.batch);
  const TrainingMemory memory = training_memory(table.config(), options, group, stage.row);
  phase.pass_bytes = static_cast<double>(memory.streams) / static_cast<double>(group);
  const OptimizerWork work = optimizer_work(table, phase.indexer_only);
  phase.optimizer_flops = work.flops;
  phase.optimizer_bytes = work.bytes;
  phase.gradient_bytes = work.gradient_bytes;
  return phase;
}

void add_recipe(TrainingPlan& plan, const Recipe& recipe) {
  if (recipe.lora.rank > 0)
    bad_input("plan --train: expected a recipe that trains the model itself, found adapters");
  const ModelConfig config = recipe_model(recipe);
  const ParamTable table = recipe_table(recipe, config);
  plan.model = cost_of(config, plan.name);
  for (size_t i = 0; i < recipe.stages.size(); ++i) {
    if (recipe.stages[i].kind != StageKind::data)
      bad_input("plan --train: stages[{}].kind: expected data, found a stage of answers of unknown length",
                i);
    plan.phases.push_back(phase_of(recipe, recipe.stages[i], table));
  }
  const RunMemory m = run_memory(recipe, table);
  const auto add = [&](const char* name, int64_t bytes, bool shared) {
    plan.memory.push_back({name, static_cast<double>(bytes), shared});
  };
  add("weights, fp32", m.weights, true);
  add("optimizer, two moments", m.optimizer, true);
  add("gradients, fp32", m.gradients, true);
  add("copies that are computed with", m.copies, true);
  add("passes", m.scratch, false);
}

bool is_recipe(const std::string& what) {
  std::error_code error;
  return fs::is_regular_file(what, error) && fs::path(what).extension() == ".json";
}

// One stage of a model's training, as the recipe would say it.
Recipe recipe_of(const std::string& what, const TrainingPlanArguments& a) {
  Recipe recipe;
  const auto presets = preset_names();
  if (std::ranges::find(presets, what) != presets.end()) {
    recipe.config_json = ModelConfig::preset(what).to_json();
  } else {
    recipe.from = model_folder(resolve_model(what)).string();
  }
  RecipeStage stage;
  stage.name = "all";
  stage.precision = Precision::bf16;
  stage.row = whole_or(a.row, "--row", static_cast<double>(kMaxTrainingRow), 4096);
  stage.batch = whole_or(a.batch, "--batch", 1 << 30, int64_t{16} << 20);
  if (stage.batch < stage.row) throw CLI::ValidationError("--batch", "expected at least --row");
  if (a.tokens.empty()) throw CLI::ValidationError("--train", "expected --tokens beside a model");
  const double tokens = number_or(a.tokens, "--tokens", 1000, 0);
  const double steps = std::ceil(tokens / static_cast<double>(stage.rows(0) * stage.row));
  if (steps > 1e12) throw CLI::ValidationError("--tokens", "expected fewer, found " + a.tokens);
  stage.steps = static_cast<int64_t>(steps);
  recipe.stages.push_back(stage);
  return recipe;
}

void add_v3(TrainingPlan& plan, const TrainingPlanArguments& a) {
  plan.model = v3_training_cost();
  TrainingPhase phase;
  phase.name = "pre-training";
  phase.tokens = number_or(a.tokens, "--tokens", 1000, kV3Tokens);
  phase.row = whole_or(a.row, "--row", static_cast<double>(kMaxTrainingRow), 4096);
  phase.steps = phase.tokens / static_cast<double>(whole_or(a.batch, "--batch", 1 << 30, kV3Batch));
  phase.indexer_learns = false;
  phase.mtp = true;
  const auto values = static_cast<double>(plan.model.total_parameters() + plan.model.draft_active);
  phase.gradient_bytes = 4 * values;
  phase.optimizer_bytes = 42 * values;  // AdamW
  plan.phases.push_back(phase);
  if (std::abs(phase.tokens / kV3Tokens - 1) < 0.01) {
    plan.published = "published for these tokens (DeepSeek-V3, on H800)";
    plan.published_hours = kV3Hours;
    plan.notes = {
        "published in all: 2,788,000 hours, of which 119,000 for longer contexts and 5,000 after that"};
  }
  plan.notes.emplace_back("memory is not known: how V3 was cut over its machines is not modelled");
}

}  // namespace

std::string training_plan(const std::string& what, const TrainingPlanArguments& a,
                          const MeasuredSpeed& measured, bool json) {
  TrainingPlan plan;
  plan.name = what;
  const bool recipe = is_recipe(what);
  if (recipe) {
    const std::pair<const char*, const std::string*> flags[] = {
        {"--tokens", &a.tokens}, {"--row", &a.row}, {"--batch", &a.batch}};
    for (const auto& [flag, text] : flags) {
      if (!text->empty())
        throw CLI::ValidationError(flag, "expected no recipe beside it: --set changes its stages");
    }
    const Recipe read = recipe_without_data(what, a.set);
    plan.name = read.name;
    add_recipe(plan, read);
  } else {
    if (!a.set.empty()) throw CLI::ValidationError("--set", "expected a recipe beside it");
    if (what == "v3") {
      add_v3(plan, a);
    } else {
      add_recipe(plan, recipe_of(what, a));
    }
  }
  TrainingMachines& m = plan.machines;
  plan.measured = measured.peak > 0;
  m.count = a.machines;
  m.peak = number_or(a.peak, "--peak", 1000, measured.peak);
  m.peak_plain = number_or(a.peak_fp32, "--peak-fp32", 1000, measured.peak_fp32);
  m.bandwidth = number_or(a.bandwidth, "--bandwidth", 1000, measured.bandwidth);
  m.network = number_or(a.network, "--network", 1000, 0);
  m.price_per_hour = a.price_per_hour;
  plan.reached = a.reached > 0 ? a.reached : kUsuallyReached;
  if (m.peak == 0 && (m.price_per_hour > 0 || a.reached > 0 || m.bandwidth > 0 || m.network > 0)) {
    throw CLI::ValidationError("--train", "expected --peak or --measure beside times and prices");
  }
  return json ? training_plan_json(plan) : training_plan_table(plan);
}

}  // namespace fathom::cli

// fathom plan: what models cost at any context (engine/plan_report.h), before a byte of them is downloaded.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>

#include "base/file.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/number_checks.h"
#include "cli/output_path.h"
#include "cli/plan_training.h"
#include "engine/machine_measure.h"
#include "engine/plan_report.h"
#include "engine/price_file.h"
#include "kernels/target.h"

namespace fathom::cli {
namespace {

struct PlanArguments {
  std::vector<std::string> models, contexts;
  std::string svg, bandwidth, peak, price_table;
  double price_per_hour = 0;
  MachineOptions machine;
  bool json = false, measure = false, train = false;
  TrainingPlanArguments training;
};

constexpr double kMostPerHour = 1e12;  // sums stay finite

PlanOptions options_of(const PlanArguments& arguments) {
  PlanOptions options;
  for (const std::string& text : arguments.contexts) {
    const double value = scaled_number(text, "--context", 1024);
    if (value < 1 || value > static_cast<double>(kMaxPlanContext) || value != std::floor(value)) {
      throw CLI::ValidationError(
          "--context", fmt::format("expected whole tokens from 1 to {}, found {}", kMaxPlanContext, text));
    }
    options.contexts.push_back(static_cast<int64_t>(value));
  }
  if (options.contexts.empty()) options.contexts = {4096, 131072, 1'000'000};
  const auto rate = [](const std::string& text, const char* flag) {
    const double value = text.empty() ? 0 : scaled_number(text, flag, 1000);
    if (!text.empty() && value == 0) throw CLI::ValidationError(flag, "expected more than 0, found " + text);
    return value;
  };
  options.machine = {rate(arguments.bandwidth, "--bandwidth"), rate(arguments.peak, "--peak")};
  options.price_per_hour = arguments.price_per_hour;
  if (options.price_per_hour > 0 && !arguments.measure && arguments.bandwidth.empty() &&
      arguments.peak.empty()) {
    throw CLI::ValidationError("--price-per-hour", "expected --bandwidth, --peak or --measure beside it");
  }
  return options;
}

// A preset before a checkpoint of its name.
CostModel model_named(const std::string& name) {
  const auto presets = preset_names();
  const bool preset = name == "v3.2" || std::find(presets.begin(), presets.end(), name) != presets.end();
  const auto found = preset || name.empty() ? std::nullopt : find_model(name);
  return plan_model(found ? found->string() : name);
}

MachineMeasure measured(const PlanArguments& arguments) {
  ThreadPool pool(arguments.machine.pool());
  MeasureOptions options;
  options.poll = check_interrupt;
  const Target target = arguments.machine.target_or_best();
  arguments.machine.say_machine("measuring", target, pool.threads());
  return measure_machine(pool, target, options);
}

void run_training_plan(const PlanArguments& arguments) {
  if (arguments.models.size() != 1) {
    throw CLI::ValidationError(
        "--train", "expected one recipe or model, found " + std::to_string(arguments.models.size()));
  }
  if (!arguments.contexts.empty() || !arguments.svg.empty() || !arguments.price_table.empty()) {
    throw CLI::ValidationError("--train", "expected no --context, --svg or --price-table beside it");
  }
  TrainingPlanArguments training = arguments.training;
  training.bandwidth = arguments.bandwidth;
  training.peak = arguments.peak;
  training.price_per_hour = arguments.price_per_hour;
  MeasuredSpeed speed;
  if (arguments.measure) {
    const MachineMeasure m = measured(arguments);
    speed = {m.read_bandwidth, std::max(m.peak_f32, m.peak_bf16), m.peak_f32};
  }
  fmt::print("{}", training_plan(arguments.models[0], training, speed, arguments.json));
}

void run_plan(const PlanArguments& arguments) {
  if (arguments.train) return run_training_plan(arguments);
  PlanOptions options = options_of(arguments);
  if (!arguments.price_table.empty()) options.prices = read_price_file(arguments.price_table);
  check_output_file(arguments.svg);
  std::vector<CostModel> models;
  for (const std::string& each : arguments.models) models.push_back(model_named(each));
  if (models.empty()) {
    for (const char* each : {"v4-pro", "v4-flash", "v3.2"}) models.push_back(plan_model(each));
  }
  if (arguments.measure) {
    const MachineMeasure measure = measured(arguments);
    options.machine = {measure.read_bandwidth, std::max(measure.peak_f32, measure.peak_bf16)};
    options.measured = true;
  }
  if (!arguments.svg.empty()) write_atomically(arguments.svg, plan_svg(models));
  fmt::print("{}", arguments.json ? plan_json(models, options) : plan_table(models, options));
}

}  // namespace

void register_plan(CLI::App& app) {
  auto* command = app.add_subcommand("plan", "parameters, FLOPs, KV bytes, time and cost at any context");
  auto arguments = std::make_shared<PlanArguments>();
  command->add_option(
      "models,-m", arguments->models,
      "v4-pro, v4-flash (and -base, -0731, -0813), v3.2, a checkpoint, or a name under models/; default: "
      "Pro, Flash and V3.2");
  command->add_option("--context", arguments->contexts, "tokens, K = 1024; may be given again")->take_all();
  command->add_flag("--json", arguments->json, "JSON instead of the table");
  command->add_option("--svg", arguments->svg, "write the curves over context length to this file");
  auto* bandwidth =
      command->add_option("--bandwidth", arguments->bandwidth, "bytes read per second, as 3.35T");
  auto* peak = command->add_option("--peak", arguments->peak, "FLOP per second, as 1P");
  auto* measure = command->add_flag("--measure", arguments->measure, "measure both on this machine")
                      ->excludes(bandwidth, peak);
  command->add_option("--price-per-hour", arguments->price_per_hour, "of the machine, any currency")
      ->check(finite_number(0, kMostPerHour));
  command->add_option("--price-table", arguments->price_table,
                      "JSON with prices of one's own: {\"currency\", \"models\": {NAME: {\"hit\", \"miss\", "
                      "\"output\"}}}, per 1M tokens");
  arguments->machine.add_threads_to(*command);
  arguments->machine.add_target_to(*command);
  for (const char* name : {"--threads", "--no-pin", "--verbose", "--target"})
    command->get_option(name)->needs(measure);  // nothing else runs
  auto* train = command->add_flag(
      "--train", arguments->train,
      "what training takes: of a recipe, or of a model (a preset, v3, a checkpoint) with --tokens");
  TrainingPlanArguments& training = arguments->training;
  command->add_option("--tokens", training.tokens, "tokens to train on, as 14.8T")->needs(train);
  command->add_option("--row", training.row, "tokens of a document in training, K = 1024 (4K)")->needs(train);
  command->add_option("--batch", training.batch, "tokens of a step, K = 1024 (16M)")->needs(train);
  command->add_option("--set", training.set, "override a field of the recipe: stages.0.steps=100")
      ->type_name("PATH=VALUE")
      ->needs(train);
  command->add_option("--machines", training.machines, "machines that share the work evenly")
      ->check(finite_number(1, 1e7))
      ->needs(train);
  command->add_option("--peak-fp32", training.peak_fp32, "FLOP per second of fp32 work, if it is not --peak")
      ->excludes("--measure")
      ->needs(train);
  command->add_option("--network", training.network, "bytes per second between machines")->needs(train);
  command
      ->add_option("--reached", training.reached,
                   "share of full speed that a run reaches (0.5: docs/training.md)")
      ->check(finite_number(0.001, 1))
      ->needs(train);
  command->callback([arguments] { run_plan(*arguments); });
}

}  // namespace fathom::cli

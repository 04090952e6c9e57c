// fathom bench: figures beside the limits measured in the same run (engine/bench).
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/number_checks.h"
#include "cli/output_path.h"
#include "cli/say.h"
#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/signature.h"
#include "post/training_bench.h"
#include "server/serving_bench.h"

namespace fathom::cli {
namespace {

struct BenchArguments {
  ModelOptions model;
  std::vector<std::string> names;
  std::string svg, record, folder, text, max_context, recipe;
  int64_t prefill = 0, batch = 0;
  double seconds = 1;
  bool json = false;
};

constexpr const char* kTraining = "training";
constexpr const char* kServing = "serving";

// recipes/nano.json of the source tree, beside the models.
std::string bundled_recipe() {
  const auto file = model_folder(resolve_model("")) / "../../recipes/nano.json";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    fail(ErrorCode::not_found, "bench training: expected --recipe FILE, found no {}",
         printable(file.string()));
  }
  return file.lexically_normal().string();
}

// Text to encode: the held-out book of the source tree, beside the models.
std::filesystem::path bundled_text(const std::filesystem::path& model) {
  const auto file = model_folder(model) / "../../tests/golden/trained/heldout.txt";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    fail(ErrorCode::not_found, "bench tokenizer: expected --text FILE, found no {}",
         printable(file.string()));
  }
  return file.lexically_normal();
}

bench::Options options_of(const BenchArguments& arguments) {
  bench::Options options;
  options.runtime = arguments.model.runtime();
  if (arguments.model.numerics.empty()) options.runtime.numerics = Numerics::fast();
  options.seconds = arguments.seconds;
  options.prefill_tokens = arguments.prefill;
  options.folder = arguments.folder;
  if (!arguments.max_context.empty())
    options.max_context = parse_binary(arguments.max_context, "--max-context", "tokens such as 256K");
  const bool tells = isatty(STDERR_FILENO) != 0 || arguments.model.verbose;
  options.progress = [tells](std::string_view line) {
    check_interrupt();  // by an exception, so that temporary files are removed
    if (tells && !line.empty()) say("bench: {}\n", printable(line, 400));
  };
  return options;
}

void print_signatures(const std::string& name) {
  const std::filesystem::path path = resolve_model(name);
  const auto model = Model::open(path);
  const auto tokenizer = open_tokenizer(path);
  for (const Signature& each : signatures(*model, *tokenizer)) fmt::print("{}", signature_line(each));
}

// What a benchmark would take no notice of.
void refuse_options(const BenchArguments& arguments) {
  const ModelOptions& m = arguments.model;
  for (const std::string& name : arguments.names) {
    if (name == "signature" &&
        (m.threads != 0 || m.no_pin || !m.target.empty() || !m.numerics.empty() || !m.memory.empty())) {
      throw CLI::ValidationError(
          "signature", "expected no --threads, --target, --numerics, --memory or --no-pin beside it");
    }
    if (name == kServing && !m.memory.empty())
      throw CLI::ValidationError(kServing, "expected no --memory beside it (fathom serve has one)");
    if (name == kTraining && !m.memory.empty())
      throw CLI::ValidationError(kTraining,
                                 "expected no --memory beside it (fathom train --dry-run has one)");
  }
}

void run_bench(const BenchArguments& arguments) {
  refuse_options(arguments);
  if (arguments.names == std::vector<std::string>{"signature"})
    return print_signatures(arguments.model.model);
  check_output_file(arguments.svg);
  check_output_folder(arguments.record);
  bench::Options options = options_of(arguments);
  const auto needs_model = [](std::string_view name) {
    return name != "machine" && name != "linear" && name != "long-context";
  };
  std::vector<const bench::Benchmark*> chosen;
  for (const bench::Benchmark& each : bench::benchmarks()) {
    const auto& names = arguments.names;
    // Without a name: all but the one that writes gigabytes.
    const bool wanted = names.empty() ? each.name != "long-context"
                                      : std::find(names.begin(), names.end(), each.name) != names.end();
    if (wanted) chosen.push_back(&each);
  }
  bool training = false, serving = false;
  for (const std::string& name : arguments.names) {
    const auto& all = bench::benchmarks();
    training = training || name == kTraining;
    serving = serving || name == kServing;
    if (name == kTraining || name == kServing) continue;
    if (std::none_of(all.begin(), all.end(), [&](const auto& each) { return each.name == name; })) {
      throw CLI::ValidationError("bench",
                                 "expected machine, linear, decode, prefill, batch, long-context, load, "
                                 "tokenizer, memory, serving, training or (alone) signature, found " +
                                     name);
    }
  }
  if (serving ||
      std::any_of(chosen.begin(), chosen.end(), [&](const auto* each) { return needs_model(each->name); })) {
    const std::filesystem::path path = resolve_model(arguments.model.model);
    options.model_name = path.filename().string();
    options.model_path = path;
    options.model = [path] { return Model::open(path); };
    options.tokenizer = [path] { return open_tokenizer(path); };
    const bool tokenizer =
        std::any_of(chosen.begin(), chosen.end(), [](const auto* each) { return each->name == "tokenizer"; });
    if (tokenizer)
      options.text = arguments.text.empty() ? bundled_text(path) : std::filesystem::path(arguments.text);
  }
  std::vector<bench::Report> reports;
  const auto add = [&](bench::Report report) {
    reports.push_back(std::move(report));
    if (!arguments.json) fmt::print("{}", bench::to_table({reports.back()}));
    std::fflush(stdout);
  };
  for (const bench::Benchmark* each : chosen) {
    options.progress(fmt::format("{}: {}", each->name, each->what));
    add(each->run(options));
  }
  if (serving) {
    options.progress("serving: answers through the scheduler and over HTTP");
    add(serving_bench(options));
  }
  if (training) {
    options.progress("training: steps of a recipe's geometry, part by part");
    add(training_bench(
        {arguments.recipe.empty() ? bundled_recipe() : arguments.recipe, arguments.batch, options}));
  }
  const std::string json = bench::to_json(reports);
  if (arguments.json) fmt::print("{}", json);
  if (!arguments.svg.empty()) write_atomically(arguments.svg, bench::to_svg(reports));
  if (!arguments.record.empty()) {
    std::string names;
    for (const auto& report : reports) names += "-" + report.bench;
    const auto file = std::filesystem::path(arguments.record) /
                      (bench::result_stem(reports.front().environment) + names + ".json");
    write_atomically(file, json);
    say("recorded {}\n", printable(file.string()));
  }
}

}  // namespace

void register_bench(CLI::App& app) {
  auto arguments = std::make_shared<BenchArguments>();
  std::string what = "Figures beside the limits measured in the same run:";
  for (const bench::Benchmark& each : bench::benchmarks())
    what += fmt::format("\n  {}: {}", each.name, each.what);
  what += "\n  serving: 16 answers over HTTP beside the engine's own steps (only if named)";
  what += "\n  training: steps of a recipe's geometry, part by part (only if named)";
  what += "\n  signature: hashes of logits and greedy tokens by target and numerics, for tests/signature.txt";
  CLI::App* command = app.add_subcommand("bench", what);
  command->add_option("-m,--model", arguments->model.model,
                      "Folder, .safetensors or .gguf file, or a name under models/");
  arguments->model.add_machine_to(*command);
  command->add_option("benchmarks", arguments->names,
                      "Which (default: all but long-context, serving and training)");
  command->add_flag("--json", arguments->json, "JSON instead of tables");
  command->add_option("--svg", arguments->svg, "Write a picture to this file");
  command
      ->add_option("--record", arguments->record, "Write the JSON to DATE-MACHINE-NAMES.json in this folder")
      ->check(CLI::ExistingDirectory);
  command->add_option("--seconds", arguments->seconds, "Time of each figure, about")
      ->check(finite_number(0.05, 60));
  command
      ->add_option("--prefill", arguments->prefill,
                   "long-context: tokens to read for real (default: 32768, or fewer in three minutes)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command->add_option("--max-context", arguments->max_context, "long-context: longest state, as 256K");
  command->add_option("--folder", arguments->folder, "long-context: keep its checkpoint of 6.6 GB here");
  command->add_option("--recipe", arguments->recipe, "training: whose geometry (default: recipes/nano.json)");
  command->add_option("--batch", arguments->batch, "training: tokens of a step (default: the recipe's)")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 30));
  command->add_option("--text", arguments->text, "tokenizer: a file to encode");
  command->callback([arguments] { run_bench(*arguments); });
}

}  // namespace fathom::cli

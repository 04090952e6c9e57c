/// fathom init: a checkpoint with random weights of any geometry (model/synthetic.h).

#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/number_checks.h"
#include "cli/progress_line.h"
#include "model/synthetic.h"

namespace fathom::cli {
namespace {

struct InitArguments {
  std::string preset, config, dtype, out;
  uint64_t seed = 0;
  MachineOptions machine;
  bool sparse = false;
};

ModelConfig read_config(const std::string& path) {
  constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;
  const std::string text = read_text(path, kMaxConfigBytes);  // names the path itself
  return in_context(printable(path, 400), [&] { return ModelConfig::parse(text); });
}

void run(const InitArguments& arguments) {
  const ModelConfig config =
      arguments.preset.empty() ? read_config(arguments.config) : ModelConfig::preset(arguments.preset);
  SyntheticOptions options;
  options.format = weight_format_from_name(arguments.dtype).value_or(usual_format(config));
  options.seed = arguments.seed;
  options.sparse = arguments.sparse;
  int64_t bytes = 0;
  Progress show = byte_progress("writing");
  options.progress = [&](int64_t done, int64_t total) {
    bytes = total;
    // The writer takes its files away when an exception passes.
    if (!show(done, total)) throw ExitStatus{130};
  };
  ThreadPool pool(arguments.machine.pool());
  arguments.machine.say_threads(arguments.out, pool.threads());
  write_synthetic(arguments.out, config, pool, options);
  // Holes are not written, so the line of progress may not have ended by itself.
  show(bytes, bytes);
  fmt::print("{}: {} layers, {}{}\n", printable(arguments.out, 400), config.num_hidden_layers,
             human_bytes(static_cast<double>(bytes)), arguments.sparse ? " (sparse)" : "");
}

}  // namespace

void register_init(CLI::App& app) {
  auto arguments = std::make_shared<InitArguments>();
  CLI::App* command = app.add_subcommand("init", "A checkpoint with random weights");
  std::string names;
  for (const std::string_view each : preset_names()) names += (names.empty() ? "" : ", ") + std::string(each);
  auto* preset = command->add_option("--preset", arguments->preset, "Geometry: " + names);
  auto* config = command->add_option("--config", arguments->config, "Geometry: a config.json");
  preset->excludes(config);
  command->add_option("--dtype", arguments->dtype, "f32, f16, bf16, fp8, release (default: the config's)")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "fp8", "release"}));
  command->add_option("--seed", arguments->seed, "Seed of the weights (0)")
      ->check(whole_number(0, UINT64_MAX));
  command->add_flag("--sparse", arguments->sparse,
                    "Leave large matrices as holes: they read as zeros and take no disk");
  command->add_option("--out", arguments->out, "Folder to write")->required();
  arguments->machine.add_threads_to(*command);
  command->callback([arguments] {
    if (arguments->preset.empty() == arguments->config.empty())
      throw CLI::ValidationError("init", "expected --preset or --config");
    run(*arguments);
  });
}

}  // namespace fathom::cli

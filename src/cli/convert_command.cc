/// fathom convert: a checkpoint in another naming, dtype or container (model/convert.h).

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/adapter.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "model/convert.h"
#include "model/read_config.h"
#include "train/model_card.h"

namespace fathom::cli {
namespace {

struct ConvertArguments {
  std::string source, adapter, to, dtype, out, max_shard, card;
  MachineOptions machine;
  bool no_mtp = false, force = false;
};

void run(const ConvertArguments& arguments) {
  if (!arguments.card.empty() && arguments.to == "gguf")
    bad_input("--card: expected a folder to write into, found a gguf file");
  ConvertOptions options;
  options.to = arguments.to == "gguf"           ? Naming::gguf
               : arguments.to == "transformers" ? Naming::transformers
                                                : Naming::official;
  if (!arguments.dtype.empty()) options.dtype = convert_dtype_from_name(arguments.dtype);
  if (!arguments.max_shard.empty())
    options.max_shard_bytes = parse_bytes(arguments.max_shard, "--max-shard-size");
  options.draft_layers = !arguments.no_mtp;
  options.force = arguments.force;
  options.progress = byte_progress("converting");
  auto source = Checkpoint::open(resolve_model(arguments.source));
  for (const std::string& note : source->notes()) say("note: {}\n", note);
  ThreadPool pool(arguments.machine.pool());
  arguments.machine.say_threads(source->path().string() + ": " + checkpoint_line(*source), pool.threads());
  if (!arguments.adapter.empty()) {
    source = merge_adapter(std::move(source), read_adapter(arguments.adapter), pool);
  }
  // What is missing of the run shows before the work.
  std::string card;
  if (!arguments.card.empty()) {
    const std::string dtype =
        arguments.dtype.empty() ? "in the dtypes of " + arguments.source : arguments.dtype;
    card = model_card(arguments.card, read_config(*source), dtype);
  }
  try {
    const ConvertReport report = convert(*source, arguments.out, pool, options);
    for (const std::string& note : report.notes) say("note: {}\n", note);
    fmt::print("{}: {} tensors, {}, {} matrices rounded\n", printable(arguments.out, 400), report.tensors,
               human_bytes(static_cast<double>(report.bytes)), report.rounded);
    if (!card.empty()) write_atomically(std::filesystem::path(arguments.out) / "README.md", card);
  } catch (const Interrupted&) {
    say("\nfathom: interrupted, {} was not written\n", printable(arguments.out, 400));
    throw ExitStatus{130};
  }
}

}  // namespace

void register_convert(CLI::App& app) {
  auto arguments = std::make_shared<ConvertArguments>();
  CLI::App* command = app.add_subcommand("convert", "A checkpoint in another naming, dtype or container");
  command->add_option("source", arguments->source, "Folder, .safetensors or .gguf file, or a model's name")
      ->required();
  command->add_option("--to", arguments->to, "official, transformers (a folder) or gguf (a file)")
      ->required()
      ->check(CLI::IsMember({"official", "transformers", "gguf"}));
  command
      ->add_option("--dtype", arguments->dtype,
                   "f32, f16, bf16, fp8, release (FP8 and FP4 as released); for gguf also q8_0, mxfp4. "
                   "Default: what the source has")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "fp8", "release", "q8_0", "mxfp4"}));
  command->add_option("--adapter", arguments->adapter,
                      "Folder of a LoRA adapter: added to the matrices, in the dtype asked for");
  command->add_option("--out", arguments->out, "Folder or .gguf file to write")->required();
  command->add_flag(
      "--force", arguments->force,
      "Replace a .gguf file; write into a folder that is not empty, in place of files of its names");
  command->add_option(
      "--card", arguments->card,
      "Folder of the run that trained it: README.md says how, on what, and what its eval*.json found");
  command->add_flag("--no-mtp", arguments->no_mtp, "Leave draft layers out");
  command->add_option("--max-shard-size", arguments->max_shard, "Bytes of a weight file, e.g. 2G (5G)");
  arguments->machine.add_threads_to(*command);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli

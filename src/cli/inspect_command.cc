/// fathom inspect: what a checkpoint consists of; which experts and entries it chooses for a text.

#include <CLI/CLI.hpp>
#include <memory>

#include "base/chart.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/output_path.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "cli/standard_input.h"
#include "engine/chat_setup.h"
#include "engine/inspect.h"
#include "engine/inspect_text.h"

namespace fathom::cli {
namespace {

struct InspectArguments {
  std::string model;
  MachineOptions machine;
  bool json = false, tensors = false, check = false;
};

void inspect_checkpoint(const InspectArguments& arguments) {
  const auto checkpoint = Checkpoint::open(resolve_model(arguments.model));
  if (arguments.machine.verbose)
    say("fathom: {}: {}\n", printable(checkpoint->path().string(), 400), checkpoint_line(*checkpoint));
  InspectOptions options;
  if (arguments.check) options.most_scale_bytes = -1;
  const Inspection inspection = inspect(*checkpoint, options);
  fmt::print("{}",
             arguments.json ? inspection_json(inspection) : inspection_text(inspection, arguments.tensors));
  if (inspection.scales == ScaleCheck::broken) fail(ErrorCode::bad_input, "{}", inspection.scale_error);
}

struct ChoiceArguments {
  ModelOptions model;
  std::string text, file, svg;
  bool json = false;
};

std::string text_of(const ChoiceArguments& arguments) {
  constexpr int64_t kMaxTextBytes = int64_t{1} << 28;
  if (!arguments.text.empty()) return arguments.text;
  return arguments.file.empty() || arguments.file == "-" ? read_stdin()
                                                         : read_text(arguments.file, kMaxTextBytes);
}

using Report = std::string (*)(const TextChoices&);
// How choices are shown.
struct Reports {
  Report text, json, picture;
  bool routing;
};

void inspect_text(const ChoiceArguments& arguments, const Reports& reports) {
  check_output_file(arguments.svg);
  const std::string prompt = text_of(arguments);
  const OpenedModel model = open_model(arguments.model, DefaultNumerics::exact, TokenizerUse::needed);
  const auto ids = raw_prompt(*model.tokenizer, prompt, model.model->config().bos_token_id);
  ChoiceOptions options;
  options.progress = count_progress("reading", "tokens");
  options.capture = !reports.routing;
  if (reports.routing) options.tokenizer = model.tokenizer.get();
  const TextChoices choices = inspect_choices(*model.runtime, *model.model, ids, options);
  if (choices.tokens < std::ssize(ids)) throw ExitStatus{130};
  fmt::print("{}", (arguments.json ? reports.json : reports.text)(choices));
  if (!arguments.svg.empty())
    write_atomically(arguments.svg, svg_or_page(reports.picture(choices), arguments.svg, "fathom inspect"));
}

void add_choices(CLI::App& parent, const char* command_name, const char* description,
                 const Reports& reports) {
  auto arguments = std::make_shared<ChoiceArguments>();
  CLI::App* command = parent.add_subcommand(command_name, description);
  arguments->model.add_to(*command);
  auto* prompt = command->add_option("-p,--prompt", arguments->text, "Text to read");
  command->add_option("--file", arguments->file, "File to read (- = standard input, the default)")
      ->excludes(prompt);
  command->add_flag("--json", arguments->json, "JSON with the numbers of every expert or entry");
  command->add_option("--svg", arguments->svg, "Write the pictures (.svg: the first; .html: all)");
  command->callback([arguments, reports] { inspect_text(*arguments, reports); });
}

}  // namespace

void register_inspect(CLI::App& app) {
  auto arguments = std::make_shared<InspectArguments>();
  CLI::App* command = app.add_subcommand("inspect", "Config, tensors, counts and bytes of a checkpoint");
  command->add_option("model,-m,--model", arguments->model,
                      "Folder, .safetensors or .gguf file, or a name under models/");
  command->add_flag("--tensors", arguments->tensors, "List every tensor");
  command->add_flag("--check", arguments->check, "Check every scale, however many there are");
  command->add_flag("--json", arguments->json, "JSON, with every tensor");
  arguments->machine.add_verbose_to(*command);
  command->require_subcommand(0, 1);
  add_choices(*command, "routing",
              "Tokens, and kinds of them, that each expert of each layer handled for a text",
              {routing_text, routing_json, routing_pictures, true});
  add_choices(
      *command, "attention",
      "Entries that each layer's indexer chose for a text, and what of dense attention's mass they hold",
      {attention_text, attention_json, capture_picture, false});
  // A subcommand's own callback has run by then.
  command->callback([arguments, command] {
    if (command->get_subcommands().empty()) inspect_checkpoint(*arguments);
  });
}

}  // namespace fathom::cli

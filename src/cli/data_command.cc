/// fathom data: texts and conversations to token files for training (train/prepare.h).

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/data_generators.h"
#include "cli/number_checks.h"
#include "cli/output_path.h"
#include "cli/prompt_input.h"
#include "cli/say.h"
#include "train/prepare.h"

namespace fathom::cli {
namespace {

struct DataArguments {
  std::vector<std::string> files;
  std::string tokenizer, out, generation, licence;
  PrepareOptions prepare;
  MachineOptions machine;
  bool json = false;
};

void run(const DataArguments& arguments) {
  check_output_folder(arguments.out);
  constexpr int64_t kMaxTokenizerBytes = int64_t{256} << 20;
  const std::filesystem::path model =
      arguments.tokenizer.ends_with(".json")
          ? std::filesystem::path(arguments.tokenizer)
          : model_folder(resolve_model(arguments.tokenizer)) / "tokenizer.json";
  const std::string text = read_text(model, kMaxTokenizerBytes);
  const auto tokenizer = Tokenizer::from_json(text, model.string());
  if (arguments.machine.verbose)
    say("fathom: {}: a tokenizer of {} tokens\n", printable(model.string(), 400), tokenizer->vocab_size());
  PrepareOptions options = arguments.prepare;
  options.licence = arguments.licence;
  if (!arguments.generation.empty()) options.generation = parse_generation(arguments.generation);
  const PrepareReport report = prepare_data({arguments.files.begin(), arguments.files.end()}, *tokenizer,
                                            text, arguments.out, options);
  if (arguments.json) {
    fmt::print("{}", read_text(std::filesystem::path(arguments.out) / "data.json", int64_t{1} << 30));
    return;
  }
  const auto line = [](const char* what, const PreparedSet& s) {
    const double per_token =
        s.labels > 0 ? static_cast<double>(s.label_bytes) / static_cast<double>(s.labels) : 0;
    fmt::print("{:<11} {} documents, {} tokens, {} to be learned, {:.2f} bytes a token\n", what, s.documents,
               s.tokens, s.labels, per_token);
  };
  line("train", report.train);
  line("validation", report.validation);
}

}  // namespace

void register_data(CLI::App& app) {
  auto arguments = std::make_shared<DataArguments>();
  CLI::App* command = app.add_subcommand("data", "Texts and conversations to token files for training");
  command->add_option("files", arguments->files, "Texts, or .jsonl with {\"text\"} or {\"messages\"} lines");
  command->add_option("--out", arguments->out, "Folder to write");
  command->add_option("--tokenizer", arguments->tokenizer,
                      "A tokenizer.json, or the model that has it (default: the bundled model)");
  command
      ->add_option("--document-tokens", arguments->prepare.document_tokens,
                   "Cut longer texts at a blank line (4096)")
      ->check(CLI::Range(int64_t{128}, int64_t{1} << 24));
  command->add_option("--validation", arguments->prepare.validation, "Share of documents held out (0.02)")
      ->check(finite_number(0, 0.5));
  command->add_option("--generation", arguments->generation, "Prompt encoding: 2026-04 (default) or 2026-08");
  command->add_option("--licence", arguments->licence, "Licence of the sources, for data.json");
  command->add_flag("--json", arguments->json, "Print data.json");
  arguments->machine.add_verbose_to(*command);
  add_data_generators(*command);
  command->callback([arguments, command] {
    if (!command->get_subcommands().empty()) return;  // it has run
    if (arguments->files.empty()) throw CLI::RequiredError("files");
    if (arguments->out.empty()) throw CLI::RequiredError("--out");
    run(*arguments);
  });
}

}  // namespace fathom::cli

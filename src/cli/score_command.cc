/// fathom score: bits per byte and perplexity of a text (engine/score.h).

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "cli/standard_input.h"
#include "engine/score.h"

namespace fathom::cli {
namespace {

struct ScoreArguments {
  ModelOptions model;
  std::string file;
  ScoreOptions score;
  bool json = false;
};

void print_json(const TextScore& s, int64_t bytes, double seconds, const ScoreArguments& arguments,
                const OpenedModel& model) {
  nlohmann::ordered_json out = {{"tokens", s.tokens},
                                {"bytes", bytes},
                                {"row", arguments.score.row},
                                {"rows", s.rows},
                                {"nll", s.nll},
                                {"nll_per_token", s.nll_per_token()},
                                {"perplexity", s.perplexity()},
                                {"bits_per_byte", s.bits_per_byte(bytes)},
                                {"top1", s.top1()}};
  if (s.drafts > 0) {
    out["mtp"] = {
        {"drafts", s.drafts}, {"acceptance", s.draft_acceptance()}, {"accuracy", s.draft_accuracy()}};
  }
  out["numerics"] = name(model.runtime->numerics().mode);
  out["seconds"] = seconds;
  out["tokens_per_second"] = seconds > 0 ? static_cast<double>(s.tokens) / seconds : 0;
  fmt::print("{}\n", out.dump(2));
}

void run(const ScoreArguments& arguments) {
  constexpr int64_t kMaxTextBytes = int64_t{1} << 30;
  const std::string text = arguments.file == "-" ? read_stdin() : read_text(arguments.file, kMaxTextBytes);
  const OpenedModel model = open_model(arguments.model, DefaultNumerics::exact, TokenizerUse::needed);
  const std::vector<int32_t> ids = model.tokenizer->encode(text, false);
  if (ids.empty()) bad_input("{}: expected a text, found nothing", printable(arguments.file, 400));
  ScoreOptions options = arguments.score;
  options.progress = count_progress("scoring", "tokens");
  const auto start = std::chrono::steady_clock::now();
  const TextScore s = score_text(*model.runtime, *model.model, ids, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (s.tokens < std::ssize(ids)) {
    say("\nfathom: interrupted after {} of {} tokens\n", s.tokens, ids.size());
    throw ExitStatus{130};
  }
  if (!std::isfinite(s.nll)) {
    bad_input("{}: expected finite logits, found NaN or infinity: a weight may be none",
              printable(model.path.string(), 400));
  }
  const auto bytes = static_cast<int64_t>(text.size());
  if (arguments.json) return print_json(s, bytes, seconds, arguments, model);
  fmt::print("bits per byte  {:.4f}\nperplexity     {:.3f}\nnll per token  {:.4f}\ntop-1          {:.1f}%\n",
             s.bits_per_byte(bytes), s.perplexity(), s.nll_per_token(), 100 * s.top1());
  if (s.drafts > 0) {
    fmt::print("MTP            {:.1f}% of {} drafts accepted, {:.1f}% the text's\n",
               100 * s.draft_acceptance(), s.drafts, 100 * s.draft_accuracy());
  }
  fmt::print("               {} tokens of {} bytes in {} row{}, {:.1f} s, {:.0f} tokens/s, {} numerics\n",
             s.tokens, bytes, s.rows, s.rows == 1 ? "" : "s", seconds,
             seconds > 0 ? static_cast<double>(s.tokens) / seconds : 0, name(model.runtime->numerics().mode));
}

}  // namespace

void register_score(CLI::App& app) {
  auto arguments = std::make_shared<ScoreArguments>();
  CLI::App* command = app.add_subcommand("score", "Bits per byte and perplexity of a text");
  arguments->model.add_to(*command);
  command->add_option("file", arguments->file, "Text file (- = standard input)")->required();
  command
      ->add_option(
          "--row", arguments->score.row,
          "Cut the text into rows of T - 1 tokens, each after BOS and scored alone (default: one row "
          "as long as the model reads)")
      ->type_name("T")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 40));
  command->add_option("--chunk", arguments->score.chunk, "Tokens of a forward pass")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command->add_flag("--mtp", arguments->score.mtp, "Count the MTP block's drafts too");
  command->add_flag("--json", arguments->json, "JSON instead of lines");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli

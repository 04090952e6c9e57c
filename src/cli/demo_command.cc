/// fathom demo: one question answered in both modes, with tokens, time and cost.

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/chat_session.h"
#include "cli/command.h"
#include "cli/generation_options.h"
#include "cli/interrupt.h"

namespace fathom::cli {
namespace {

struct DemoOptions {
  ModelOptions model;
  std::string question = "Compute 4821 + 977.";
};

void run(const DemoOptions& options) {
  const OpenedModel model = open_model(options.model, DefaultNumerics::fast, TokenizerUse::needed);
  GenerationOptions generation;
  const PriceList prices;
  const ChatSetup setup = generation.setup(model);
  fmt::print("{} ({})\nQ: {}\n", printable(model.path.filename().string(), 400),
             printable(model.path.string(), 400), options.question);
  for (const char* mode : {"off", "high"}) {
    const ThinkingSetting thinking = parse_think(mode, setup.generation);
    const ChatPrompt prompt =
        chat_prompt(*model.tokenizer, {{Role::user, options.question}}, thinking, setup.generation);
    GenerateOptions generate_options = generation.resolve(setup, thinking);
    generate_options.completion.start = prompt.start;
    Session session(*model.model, *model.runtime);
    GenerateEvents events;
    events.interrupted = interrupted;
    const GenerateResult r = generate(session, model.tokenizer, prompt.ids, generate_options, events);
    check_interrupt();
    fmt::print("\n{}:\n", thinking.mode == ThinkingMode::chat ? "Non-think" : "Think");
    if (!r.completion.reasoning_content.empty())
      fmt::print("  thinking: {}\n", r.completion.reasoning_content);
    fmt::print("  answer:   {}\n  {}\n", r.completion.content,
               stats_line(model, session, r, setup.stop_tokens, prices));
  }
}

}  // namespace

void register_demo(CLI::App& app) {
  auto options = std::make_shared<DemoOptions>();
  CLI::App* command = app.add_subcommand("demo", "One question answered in both modes");
  options->model.add_to(*command);
  command->add_option("question", options->question, "The question");
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli

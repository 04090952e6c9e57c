// fathom render: messages to the text of a prompt.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/prompt_input.h"
#include "cli/say.h"
#include "server/api/offline.h"
#include "text/encoding_lines.h"

namespace fathom::cli {
namespace {

struct RenderArguments {
  std::string file, model, generation, mode = "thinking", effort;
  MachineOptions machine;
  bool keep_thinking = false, no_bos = false, jsonl = false, requests = false;
};

void run_render(const RenderArguments& arguments) {
  if (arguments.requests) return answer_lines(arguments.file, server::render_request_line);
  const Generation generation = choose_generation(arguments.generation, arguments.model);
  if (arguments.machine.verbose) say("fathom: prompt encoding of {}\n", name(generation));
  EncodeOptions options;
  options.thinking_mode = parse_thinking_mode(arguments.mode);
  options.drop_thinking = !arguments.keep_thinking;
  options.add_default_bos = !arguments.no_bos;
  if (!arguments.effort.empty()) options.effort = parse_effort(arguments.effort, generation);

  if (arguments.jsonl) {
    answer_lines(arguments.file,
                 [&](std::string_view line) { return render_line(line, options, generation); });
    return;
  }
  const std::vector<ChatMessage> messages = read_chat_file(read_input(arguments.file));
  fmt::print("{}", encode_messages(messages, options, generation).joined());
}

}  // namespace

void register_render(CLI::App& app) {
  auto* command = app.add_subcommand("render", "messages (JSON) to the text of a prompt");
  auto arguments = std::make_shared<RenderArguments>();
  command->add_option(
      "file", arguments->file,
      "a list of messages, or an object with \"messages\" and \"tools\"; default: standard input");
  command->add_flag("--jsonl", arguments->jsonl,
                    "a line {\"messages\", \"options\", \"context\"} to a line {\"output\"} or {\"error\"}");
  command->add_flag(
      "--requests", arguments->requests,
      "a line {\"api\", \"request\"} (chat, responses, messages) to a line {\"prompt\", \"special\"} or "
      "{\"error\"}");
  command->add_option("-m,--model", arguments->model, "the model folder whose prompt encoding is used");
  command->add_option("--prompt-encoding", arguments->generation, "2026-04 or 2026-08, whatever the model")
      ->check(CLI::IsMember({"2026-04", "2026-08"}));
  command->add_option("--thinking-mode", arguments->mode, "chat or thinking (default)")
      ->check(CLI::IsMember({"chat", "thinking"}));
  command->add_option("--effort", arguments->effort, "high or max; 2026-08 also low");
  command->add_flag("--keep-thinking", arguments->keep_thinking, "keep the reasoning of earlier turns");
  command->add_flag("--no-bos", arguments->no_bos, "no begin-of-sentence token");
  arguments->machine.add_verbose_to(*command);
  command->callback([arguments] { run_render(*arguments); });
}

}  // namespace fathom::cli

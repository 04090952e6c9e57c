// fathom parse: what a model wrote, taken apart into a message.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/prompt_input.h"
#include "server/api/offline.h"
#include "text/encoding_lines.h"
#include "text/utf8_stream.h"

namespace fathom::cli {
namespace {

struct ParseArguments {
  std::string file, model, mode = "thinking";
  bool strict = false, jsonl = false, streams = false;
};

void run_parse(const ParseArguments& arguments) {
  if (!arguments.model.empty()) (void)resolve_model(arguments.model);  // a mistyped one must not go unseen
  if (arguments.streams) return answer_lines(arguments.file, server::parse_stream_line);
  const ThinkingMode mode = parse_thinking_mode(arguments.mode);
  if (arguments.jsonl) {
    answer_lines(arguments.file,
                 [&](std::string_view line) { return parse_line(line, mode, arguments.strict); });
    return;
  }
  std::string text;
  append_valid_utf8(read_input(arguments.file), text);
  const Completion completion =
      arguments.strict ? parse_completion_strict(text, mode) : parse_completion(text, mode);
  fmt::print("{}\n", dump_json(completion_answer(completion)));
}

}  // namespace

void register_parse(CLI::App& app) {
  auto* command = app.add_subcommand("parse", "the text of a completion to a message (JSON)");
  auto arguments = std::make_shared<ParseArguments>();
  command->add_option("file", arguments->file, "the completion; default: standard input");
  command->add_flag("--jsonl", arguments->jsonl,
                    "a line {\"text\", \"thinking_mode\"} to a line {\"message\"} or {\"error\"}");
  command->add_flag(
      "--streams", arguments->streams,
      "a line {\"api\", \"request\", \"deltas\", \"finish\"} to a line {\"events\", \"final\"}");
  command->add_flag("--strict", arguments->strict, "refuse what the official parser refuses");
  command->add_option("-m,--model", arguments->model, "a model; it must be there, all are parsed alike");
  command->add_option("--thinking-mode", arguments->mode, "chat or thinking (default)")
      ->check(CLI::IsMember({"chat", "thinking"}));
  command->callback([arguments] { run_parse(*arguments); });
}

}  // namespace fathom::cli

// fathom tokenize and detokenize: text to token ids and back, with nothing of a model but its tokenizer.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/say.h"
#include "cli/standard_input.h"

namespace fathom::cli {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxIds = size_t{1} << 28;

struct TokenizeArguments {
  std::string file, model;
  MachineOptions machine;
  bool no_special = false, jsonl = false;
};

std::shared_ptr<const Tokenizer> tokenizer_of(const TokenizeArguments& arguments) {
  const std::filesystem::path path = resolve_model(arguments.model);
  auto tokenizer = open_tokenizer(path);
  if (arguments.machine.verbose)
    say("fathom: {}: a tokenizer of {} tokens\n", printable(path.string(), 400), tokenizer->vocab_size());
  return tokenizer;
}

std::vector<int32_t> ids_of(const nlohmann::json& list, const std::string& path) {
  std::vector<int32_t> ids;
  for (const JsonField& id : JsonField(list, path).elements(kMaxIds)) {
    ids.push_back(static_cast<int32_t>(id.integer(0, INT32_MAX)));
  }
  return ids;
}

std::string input_of(const TokenizeArguments& arguments) {
  return arguments.file.empty() ? read_stdin() : read_text(arguments.file, kMaxInputBytes);
}

// Answers each line that is not blank, as it comes, naming the line in errors. Lines end at "\n" only: texts
// may hold other line ends.
void answer_lines(const TokenizeArguments& arguments,
                  const std::function<std::string(const nlohmann::json&)>& answer) {
  std::istringstream file(arguments.file.empty() ? "" : input_of(arguments));
  std::istream& in = arguments.file.empty() ? std::cin : file;
  const std::string where = arguments.file.empty() ? "standard input" : printable(arguments.file, 400);
  int64_t number = 0;
  for (std::string line; read_line(in, where, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    fmt::print("{}\n", in_context(fmt::format("line {}", number),
                                  [&] { return answer(parse_json(line, kMaxDepth, kMaxInputBytes)); }));
    if (in.rdbuf()->in_avail() <= 0) std::fflush(stdout);
  }
}

void run_tokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = tokenizer_of(arguments);
  const auto list_of = [&](std::string_view text) {
    return fmt::format("[{}]", fmt::join(tokenizer->encode(text, !arguments.no_special), ","));
  };
  if (!arguments.jsonl) return fmt::print("{}\n", list_of(input_of(arguments)));
  answer_lines(arguments, [&](const nlohmann::json& line) {
    return fmt::format("{{\"ids\":{}}}", list_of(JsonField(line, "line").at("text").text()));
  });
}

void run_detokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = tokenizer_of(arguments);
  if (!arguments.jsonl) {
    const auto list =
        in_context("ids", [&] { return parse_json(input_of(arguments), kMaxDepth, kMaxInputBytes); });
    return fmt::print("{}", tokenizer->decode(ids_of(list, "ids"), arguments.no_special));
  }
  answer_lines(arguments, [&](const nlohmann::json& line) {
    const JsonField ids = JsonField(line, "line").at("ids");
    return nlohmann::json{{"text", tokenizer->decode(ids_of(ids.json(), ids.path()), arguments.no_special)}}
        .dump();
  });
}

void add_command(CLI::App& app, const char* name, const char* what, const char* input, const char* lines,
                 const char* no_special, void (*run)(const TokenizeArguments&)) {
  auto* command = app.add_subcommand(name, what);
  auto arguments = std::make_shared<TokenizeArguments>();
  command->add_option("file", arguments->file, input);
  command->add_option("-m,--model", arguments->model,
                      "a model, its folder, or a tokenizer.json; default: the bundled model");
  command->add_flag("--jsonl", arguments->jsonl, lines);
  command->add_flag("--no-special", arguments->no_special, no_special);
  arguments->machine.add_verbose_to(*command);
  command->callback([arguments, run] {
    if (arguments->file == "-") arguments->file.clear();  // standard input, as without a name
    run(*arguments);
  });
}

}  // namespace

void register_tokenize(CLI::App& app) {
  add_command(app, "tokenize", "text to token ids (a JSON list), without a begin-of-sentence token",
              "the text (- = standard input, the default)", "a line {\"text\"} to a line {\"ids\"}",
              "special strings are plain text", run_tokenize);
}

void register_detokenize(CLI::App& app) {
  add_command(app, "detokenize", "token ids to text", "a JSON list of ids (- = standard input, the default)",
              "a line {\"ids\"} to a line {\"text\"}", "leave out special tokens", run_detokenize);
}

}  // namespace fathom::cli

/// fathom run: one answer.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/answer_view.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/generation_options.h"
#include "cli/interrupt.h"
#include "cli/number_checks.h"
#include "cli/say.h"
#include "cli/standard_input.h"

namespace fathom::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  GenerationOptions generation;
  std::optional<std::string> prompt;
  bool raw = false, stats = false, json = false;
  int64_t logprobs = -1;
};

nlohmann::ordered_json to_json(const RunOptions& options, const OpenedModel& model, const Session& session,
                               const GenerateResult& r, const std::vector<int32_t>& stop_tokens) {
  using Json = nlohmann::ordered_json;
  Json out;
  out["ids"] = r.ids;
  out["text"] = r.text;
  // Without chat encoding nothing is taken apart: all of the text is content.
  out["reasoning_content"] = options.raw ? std::string() : r.completion.reasoning_content;
  out["content"] = options.raw ? r.text : r.completion.content;
  Json calls = Json::array();
  if (!options.raw) {
    for (const ToolCall& call : r.completion.tool_calls) {
      calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
    }
  }
  out["tool_calls"] = calls;
  out["finish_reason"] = name(r.finish);
  if (r.stop_string) out["stop"] = *r.stop_string;
  const int64_t written = r.answer_tokens(stop_tokens);
  out["usage"] = {{"prompt_tokens", r.prompt_tokens + r.cached_tokens},
                  {"completion_tokens", written},
                  {"reasoning_tokens", r.reasoning_tokens},
                  {"total_tokens", r.prompt_tokens + r.cached_tokens + written}};
  out["stats"] = {
      {"prefill_seconds", r.prefill_seconds},        {"decode_seconds", r.decode_seconds},
      {"kv_bytes", session.state().bytes().total()}, {"numerics", name(model.runtime->numerics().mode)},
      {"target", name(model.runtime->target())},     {"threads", model.runtime->threads()}};
  if (options.logprobs >= 0) {
    Json rows = Json::array();
    for (const TokenLogprobs& p : r.logprobs) {
      Json top = Json::array();
      for (const TokenLogprob& t : p.top) top.push_back({{"id", t.id}, {"logprob", t.logprob}});
      rows.push_back({{"id", p.chosen.id}, {"logprob", p.chosen.logprob}, {"top", top}});
    }
    out["logprobs"] = rows;
  }
  return out;
}

void run(const RunOptions& options) {
  const std::string text = options.prompt ? *options.prompt : without_final_newline(read_stdin());
  const PriceList prices = options.generation.prices.list();
  const OpenedModel model = open_model(options.model, DefaultNumerics::fast, TokenizerUse::needed);
  const Tokenizer& tokenizer = *model.tokenizer;
  const ChatSetup setup = options.generation.setup(model);
  const ThinkingSetting thinking = parse_think(options.generation.think, setup.generation);
  GenerateOptions generate_options = options.generation.resolve(setup, thinking);
  generate_options.raw = options.raw;
  generate_options.logprobs = options.logprobs;

  std::vector<int32_t> prompt;
  if (options.raw) {
    prompt = raw_prompt(tokenizer, text, setup.bos);
  } else {
    std::vector<ChatMessage> messages;
    if (!options.generation.system.empty()) messages.push_back({Role::system, options.generation.system});
    messages.push_back({Role::user, text});
    const ChatPrompt chat = chat_prompt(tokenizer, messages, thinking, setup.generation);
    prompt = chat.ids;
    generate_options.completion.start = chat.start;
  }

  AnswerView view(isatty(STDOUT_FILENO) != 0);
  GenerateEvents events;
  events.prefill = prefill_bar();
  events.interrupted = interrupted;
  if (!options.json) events.event = [&](const CompletionEvent& e) { view.event(e); };
  Session session(*model.model, *model.runtime);
  const GenerateResult result = generate(session, model.tokenizer, prompt, generate_options, events);
  if (options.json) {
    fmt::print("{}\n", to_json(options, model, session, result, setup.stop_tokens)
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    view.finish();
  }
  if (options.stats) say("{}\n", stats_line(model, session, result, setup.stop_tokens, prices));
  std::fflush(stdout);
  if (result.finish == FinishReason::interrupted) throw ExitStatus{130};
}

}  // namespace

void register_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "One answer to a prompt");
  options->model.add_to(*command);
  options->generation.add_to(*command);
  command->add_option("-p,--prompt", options->prompt, "The prompt (default: standard input)");
  command->add_flag("--raw", options->raw,
                    "No chat encoding: special strings are recognised, BOS is put first");
  auto* logprobs = command
                       ->add_option("--logprobs", options->logprobs,
                                    "Log-probabilities of each token and of N alternatives (--json)")
                       ->check(whole_number(0, 1000));
  command->add_flag("--stats", options->stats, "Tokens, rates, KV bytes and cost on standard error");
  auto* json = command->add_flag("--json", options->json, "Answer as JSON");
  logprobs->needs(json);  // nothing else has a place for them
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli

#include "cli/chat_session.h"

#include <fmt/core.h>

#include "base/error.h"
#include "cli/answer_view.h"
#include "cli/chat_file.h"
#include "cli/interrupt.h"

namespace fathom::cli {
namespace {

const char* word(const ThinkingSetting& thinking) {
  if (thinking.mode == ThinkingMode::chat) return "off";
  return thinking.effort == Effort::max ? "max" : thinking.effort == Effort::low ? "low" : "high";
}

}  // namespace

ChatSession::ChatSession(OpenedModel model, GenerationOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      setup_(options_.setup(model_)),
      thinking_(parse_think(options_.think, setup_.generation)),
      prices_(options_.prices.list()),
      session_(*model_.model, *model_.runtime) {}

std::string ChatSession::banner() const {
  return fmt::format("{}: {} numerics, {}, {} thread{}, thinking {}. /help lists the commands.",
                     model_.path.filename().string(), name(model_.runtime->numerics().mode),
                     name(model_.runtime->target()), model_.runtime->threads(),
                     model_.runtime->threads() == 1 ? "" : "s", word(thinking_));
}

std::string ChatSession::help() { return chat_help("/ctx                     tokens and memory in use\n"); }

std::vector<ChatMessage> ChatSession::prompt_messages() const {
  std::vector<ChatMessage> all;
  if (!options_.system.empty()) all.push_back({Role::system, options_.system});
  all.insert(all.end(), messages_.begin(), messages_.end());
  return all;
}

std::string ChatSession::context_line() const {
  const KvBytes b = session_.state().bytes();
  return fmt::format(
      "{} of {} tokens; KV {} bytes: window {}, compressor {}, entries {}, indexer keys {}, snapshots {}",
      session_.position(), model_.model->config().max_position_embeddings, b.total(), b.window, b.compressor,
      b.entries, b.index_keys, b.snapshots);
}

bool ChatSession::command(const std::string& line) {
  const std::string name = line.substr(0, line.find_first_of(" \t")), argument = argument_of(line);
  if (name == "/exit" || name == "/quit") return false;
  if (name == "/help") {
    fmt::print("{}", help());
  } else if (name == "/think") {
    if (argument.empty()) {
      fmt::print("thinking {}\n", word(thinking_));
    } else {
      thinking_ = parse_think(argument, setup_.generation);
      fmt::print("thinking {}\n", word(thinking_));
    }
  } else if (name == "/system") {
    options_.system = argument;
    fmt::print("{}\n", argument.empty() ? "no system message" : "system message set");
  } else if (name == "/save") {
    save(argument);
  } else if (name == "/load") {
    load(argument);
  } else if (name == "/ctx") {
    fmt::print("{}\n", context_line());
  } else if (name == "/stats") {
    fmt::print("{}\n", last_stats_.empty() ? "no answer yet" : last_stats_);
  } else if (name == "/reasoning") {
    fmt::print("{}\n", last_reasoning_.empty() ? "no thinking in the last answer" : last_reasoning_);
  } else if (name == "/clear") {
    messages_.clear();
    session_.truncate(0);
    fmt::print("a new conversation\n");
  } else {
    bad_input("chat: expected a command that /help lists, found '{}'", printable(name));
  }
  return true;
}

void ChatSession::answer(const std::string& text, bool terminal) {
  messages_.push_back({Role::user, text});
  try {
    const ChatPrompt prompt = chat_prompt(*model_.tokenizer, prompt_messages(), thinking_, setup_.generation);
    GenerateOptions generate_options = options_.resolve(setup_, thinking_);
    generate_options.seed += turn_++;
    generate_options.completion.start = prompt.start;
    AnswerView view(terminal);
    GenerateEvents events;
    events.prefill = prefill_bar();
    events.interrupted = interrupted;
    events.event = [&](const CompletionEvent& e) { view.event(e); };
    const GenerateResult result = generate(session_, model_.tokenizer, prompt.ids, generate_options, events);
    view.finish();
    clear_interrupt();
    last_stats_ = stats_line(model_, session_, result, setup_.stop_tokens, prices_);
    last_reasoning_ = result.completion.reasoning_content;
    ChatMessage reply{Role::assistant, result.completion.content};
    reply.reasoning_content = result.completion.reasoning_content;
    reply.tool_calls = result.completion.tool_calls;
    messages_.push_back(std::move(reply));
    if (terminal) fmt::print("\033[2m{}\033[0m\n", last_stats_);
  } catch (...) {
    messages_.pop_back();  // the question was not answered: the conversation is as before
    throw;
  }
}

void ChatSession::save(const std::string& path) const {
  const int64_t count = save_chat(path, {options_.system, messages_, word(thinking_)});
  fmt::print("{} messages saved to {}\n", count, printable(path, 400));
}

void ChatSession::load(const std::string& path) {
  SavedChat loaded = load_chat(path);
  if (loaded.think)
    thinking_ = in_context(printable(path), [&] { return parse_think(*loaded.think, setup_.generation); });
  options_.system = std::move(loaded.system);
  messages_ = std::move(loaded.messages);
  fmt::print("{} messages loaded from {}\n", messages_.size() + (options_.system.empty() ? 0 : 1),
             printable(path, 400));
}

}  // namespace fathom::cli

#include "text/api_prompt.h"

#include <algorithm>

#include "base/error.h"
#include "text/chat_merge.h"
#include "text/protocol_strings.h"

namespace fathom {

namespace {

/// The line of a tool: the whole object (2026-04), or its three members in this order.
JsonValue listed_tool(const JsonValue& function, Generation generation) {
  if (generation == Generation::v2026_04) return function;
  const auto member = [&](std::string_view key, JsonValue missing) {
    const JsonValue* value = function.find(key);
    return value && !value->is_null() ? *value : std::move(missing);
  };
  return JsonValue::Object{{"name", member("name", "")},
                           {"description", member("description", "")},
                           {"parameters", member("parameters", JsonValue::Object{})}};
}

std::vector<JsonValue> listed_tools(const ApiRequest& request, Generation generation) {
  std::vector<JsonValue> tools;
  if (request.tool_choice == ApiRequest::ToolChoice::none) return tools;
  for (const JsonValue& function : request.tools) {
    const JsonValue* name = function.find("name");
    const bool listed =
        !request.tool_name || (name && name->as_string() && *name->as_string() == *request.tool_name);
    if (listed) tools.push_back(listed_tool(function, generation));
  }
  if (request.tool_name && tools.empty()) {
    bad_input("tool_choice: expected the name of a tool, found '{}'", printable(*request.tool_name));
  }
  if (request.tool_choice == ApiRequest::ToolChoice::required && tools.empty()) {
    bad_input("tool_choice: expected tools for a forced call, found none");
  }
  return tools;
}

bool is_system(const ChatMessage& message) {
  return message.role == Role::system || message.role == Role::developer;
}

class Renderer {
 public:
  Renderer(const ApiRequest& request, Generation generation)
      : request_(request),
        generation_(generation),
        early_(generation == Generation::v2026_04),
        thinks_(request.thinking.mode == ThinkingMode::thinking),
        tools_(listed_tools(request, generation)) {}

  ApiPrompt render() {
    render_front();
    std::vector<ChatMessage> spoken;
    std::ranges::copy_if(request_.messages, std::back_inserter(spoken),
                         [](const auto& m) { return !is_system(m); });
    turns_ = merge_messages(spoken);
    order_results();

    const bool continues = !spoken.empty() && spoken.back().role == Role::assistant && spoken.back().prefix;
    const int64_t whole = std::ssize(turns_) - (continues ? 1 : 0);
    for (int64_t i = 0; i < whole; ++i) render_turn(i);
    if (continues) {
      render_continued(turns_.back().message);
    } else {
      open_answer(thinks_);
      if (thinks_) out_.completion.start = CompletionOptions::Start::reasoning;
      force_call();
    }
    out_.completion.parse_tool_calls = !tools_.empty();
    out_.completion.trim_newlines = true;
    return std::move(out_);
  }

 private:
  Prompt& prompt() { return out_.prompt; }

  void render_front() {
    prompt().token(protocol::kBos);
    if (thinks_) prompt().text(effort_text(request_.thinking.effort, generation_));
    std::string text;
    for (const ChatMessage& message : request_.messages) {
      if (!is_system(message) || message.content.value_or("").empty()) continue;
      if (!text.empty()) text += "\n\n";
      text += *message.content;
    }
    prompt().text(text);
    const JsonDialect dialect = early_ ? JsonDialect::python : JsonDialect::serde;
    if (!tools_.empty()) {
      prompt().text("\n\n");
      append_tools_section(tools_, dialect, prompt());
    }
    if (request_.format == ApiRequest::Format::json_object) prompt().text(protocol::kApiJsonObjectSection);
    if (request_.format == ApiRequest::Format::json_schema) {
      prompt().text("\n\n");
      append_template(protocol::kResponseFormat,
                      {{"schema", Prompt().text(dump_json(request_.schema, dialect))}}, prompt());
    }
  }

  /// Calls and results of one turn stand in the byte order of their ids; in 2026-04 results follow the calls.
  void order_results() {
    if (early_) return sort_tool_results(turns_);
    for (Turn& turn : turns_) {
      std::ranges::stable_sort(turn.message.tool_calls, {}, &ToolCall::id);
      std::vector<TurnBlock> results;
      std::ranges::copy_if(turn.blocks, std::back_inserter(results), &TurnBlock::is_result);
      std::ranges::stable_sort(results, {}, &TurnBlock::call_id);
      auto next = results.begin();
      for (TurnBlock& block : turn.blocks) {
        if (block.is_result) block = std::move(*next++);
      }
    }
  }

  void open_answer(bool with_reasoning) {
    if (!std::exchange(opened_, false)) {
      prompt()
          .token(protocol::kAssistant)
          .token(with_reasoning ? protocol::kThinkStart : protocol::kThinkEnd);
    }
  }

  /// Earlier reasoning is written in thinking mode with tools only, and then in every turn.
  bool writes_reasoning() const { return thinks_ && !tools_.empty(); }

  void render_turn(int64_t index) {
    const Turn& turn = turns_[static_cast<size_t>(index)];
    const ChatMessage& message = turn.message;
    if (message.role == Role::latest_reminder) {
      if (early_) open_before_reminder(index);
      prompt().token(protocol::kLatestReminder).text(message.content.value_or(""));
    } else if (message.role == Role::assistant) {
      open_answer(writes_reasoning());
      if (writes_reasoning()) prompt().text(message.reasoning_content).token(protocol::kThinkEnd);
      prompt().text(message.content.value_or(""));
      if (!message.tool_calls.empty()) {
        prompt().text("\n\n");
        append_tool_calls(message.tool_calls, early_ ? DsmlStyle::official : DsmlStyle::api, prompt());
      }
      prompt().token(protocol::kEos);
    } else {
      prompt().token(protocol::kUser);
      append_blocks(turn.blocks, prompt());
    }
  }

  /// In 2026-04 a reminder before an answer comes after its opening.
  void open_before_reminder(int64_t index) {
    if (opened_) return;
    int64_t next = index;
    while (next < std::ssize(turns_) &&
           turns_[static_cast<size_t>(next)].message.role == Role::latest_reminder)
      ++next;
    const bool at_end = next == std::ssize(turns_);
    if (!at_end && turns_[static_cast<size_t>(next)].message.role != Role::assistant) return;
    const bool continued = !at_end && turns_[static_cast<size_t>(next)].message.prefix;
    open_answer(at_end || continued ? thinks_ : writes_reasoning());
    opened_ = true;
  }

  void render_continued(const ChatMessage& message) {
    const std::string text = message.content.value_or("");
    out_.completion.continues = true;
    open_answer(thinks_);
    if (thinks_) {
      prompt().text(message.reasoning_content);
      if (text.empty()) {
        out_.completion.start = CompletionOptions::Start::reasoning;
        out_.completion.continues = !message.reasoning_content.empty();
        return;
      }
      prompt().token(protocol::kThinkEnd);
    }
    prompt().text(text);
    out_.completion.continues = !text.empty();
  }

  void force_call() {
    if (request_.tool_choice != ApiRequest::ToolChoice::required) return;
    Prompt& out = thinks_ ? out_.forced_after_thinking : prompt();
    append_template(protocol::kApiToolChoiceRequiredSuffix, {}, out);
    if (!thinks_) out_.completion.start = CompletionOptions::Start::tool_calls;
  }

  const ApiRequest& request_;
  Generation generation_;
  bool early_;
  bool thinks_;
  std::vector<JsonValue> tools_;
  std::vector<Turn> turns_;
  bool opened_ = false;  // the coming answer's tokens are written
  ApiPrompt out_;
};

}  // namespace

ApiPrompt render_api_request(const ApiRequest& request, Generation generation) {
  if (request.messages.empty()) bad_input("messages: expected at least one message, found none");
  for (size_t i = 0; i + 1 < request.messages.size(); ++i) {
    if (request.messages[i].role == Role::assistant && request.messages[i].prefix) {
      bad_input("messages[{}].prefix: expected it on the last message only, found one before", i);
    }
  }
  return Renderer(request, generation).render();
}

}  // namespace fathom

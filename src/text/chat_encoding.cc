// The second half of the encoder: turns become text. What follows a turn depends on the next turn's role
// only.
#include "text/chat_encoding.h"

#include <algorithm>

#include "base/error.h"
#include "text/chat_merge.h"
#include "text/protocol_strings.h"

namespace fathom {

namespace {

std::string_view task_token(const std::string& task) {
  for (const auto& [known, token] : protocol::kTasks) {
    if (task == known) return token;
  }
  bad_input("task: expected action, query, authority, domain, title or read_url, found '{}'",
            printable(task));
}

class Renderer {
 public:
  Renderer(const std::vector<Turn>& turns, ThinkingMode mode, bool drops_thinking, Prompt& out)
      : turns_(turns),
        last_user_(last_user_index(turns)),
        thinks_(mode == ThinkingMode::thinking),
        drops_(drops_thinking),
        out_(out) {}

  void render(int64_t index) {
    const Turn& turn = turns_[static_cast<size_t>(index)];
    switch (turn.message.role) {
      case Role::system:
        render_with_sections(turn.message);
        break;
      case Role::developer:
        if (turn.message.content.value_or("").empty()) {
          bad_input("content of a developer message: expected a text, found nothing");
        }
        out_.token(protocol::kUser);
        render_with_sections(turn.message);
        break;
      case Role::user:
        out_.token(protocol::kUser);
        append_blocks(turn.blocks, out_);
        break;
      case Role::assistant:
        render_assistant(index);
        break;
      case Role::latest_reminder:
        out_.token(protocol::kLatestReminder).text(turn.message.content.value_or("None"));
        break;
      case Role::tool:
        break;  // merge_messages() leaves none
    }
    render_transition(index);
  }

 private:
  void render_with_sections(const ChatMessage& message) {
    out_.text(message.content.value_or(""));
    if (!message.tools.empty()) {
      out_.text("\n\n");
      append_tools_section(message.tools, JsonDialect::python, out_);
    }
    if (message.response_format) {
      out_.text("\n\n");
      append_template(protocol::kResponseFormat,
                      {{"schema", Prompt().text(dump_json(*message.response_format))}}, out_);
    }
  }

  void render_assistant(int64_t index) {
    const ChatMessage& message = turns_[static_cast<size_t>(index)].message;
    const bool answers_task = index > 0 && turns_[static_cast<size_t>(index - 1)].message.task;
    if (thinks_ && !answers_task && (!drops_ || index > last_user_)) {
      out_.text(message.reasoning_content).token(protocol::kThinkEnd);
    }
    out_.text(message.content.value_or(""));
    if (!message.tool_calls.empty()) {
      out_.text("\n\n");
      append_tool_calls(message.tool_calls, DsmlStyle::official, out_);
    }
    if (!message.wo_eos) out_.token(protocol::kEos);
  }

  void render_transition(int64_t index) {
    if (index + 1 < std::ssize(turns_)) {
      const Role next = turns_[static_cast<size_t>(index + 1)].message.role;
      if (next != Role::assistant && next != Role::latest_reminder) return;
    }
    const ChatMessage& message = turns_[static_cast<size_t>(index)].message;
    if (message.task) {
      const std::string_view token = task_token(*message.task);
      if (*message.task == "action") {
        out_.token(protocol::kAssistant).token(thinks_ ? protocol::kThinkStart : protocol::kThinkEnd);
      }
      out_.token(token);
    } else if (message.role == Role::user || message.role == Role::developer) {
      const bool opens_thinking = thinks_ && (!drops_ || index >= last_user_);
      out_.token(protocol::kAssistant).token(opens_thinking ? protocol::kThinkStart : protocol::kThinkEnd);
    }
  }

  const std::vector<Turn>& turns_;
  int64_t last_user_;
  bool thinks_;
  bool drops_;
  Prompt& out_;
};

bool has_tools(const std::vector<ChatMessage>& messages) {
  return std::ranges::any_of(messages, [](const ChatMessage& message) { return !message.tools.empty(); });
}

void check_tasks(const std::vector<ChatMessage>& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].task)
      in_context(fmt::format("messages[{}]", i), [&] { return task_token(*messages[i].task); });
  }
}

}  // namespace

Prompt encode_messages(const std::vector<ChatMessage>& messages, const EncodeOptions& options,
                       Generation generation) {
  check_tasks(options.context);
  check_tasks(messages);
  const std::string_view effort = effort_text(options.effort, generation);

  std::vector<Turn> turns = merge_messages(options.context);
  int64_t first = std::ssize(turns);
  const bool drops = options.drop_thinking && !has_tools(options.context) && !has_tools(messages);
  const bool thinks = options.thinking_mode == ThinkingMode::thinking;
  if (thinks && drops) first = std::ssize(drop_thinking(turns));

  // New messages never merge into turns of the context: their prompt is already made.
  for (Turn& turn : merge_messages(messages)) turns.push_back(std::move(turn));
  sort_tool_results(turns);
  if (thinks && drops) turns = drop_thinking(turns);

  Prompt prompt;
  if (options.add_default_bos && options.context.empty()) prompt.token(protocol::kBos);
  Renderer renderer(turns, options.thinking_mode, drops, prompt);
  for (int64_t i = first; i < std::ssize(turns); ++i) {
    if (i == 0 && thinks) prompt.text(effort);
    renderer.render(i);
  }
  return prompt;
}

}  // namespace fathom

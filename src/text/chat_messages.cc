#include "text/chat_messages.h"

#include <array>
#include <utility>

#include "base/error.h"

namespace fathom {

namespace {

constexpr std::array<std::pair<std::string_view, Role>, 6> kRoles = {{
    {"system", Role::system},
    {"user", Role::user},
    {"developer", Role::developer},
    {"assistant", Role::assistant},
    {"tool", Role::tool},
    {"latest_reminder", Role::latest_reminder},
}};

/// A JSON object whose path is known: its errors read "messages[0].role: expected a string, found null".
class Fields {
 public:
  Fields(const JsonValue& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object.as_object()) bad_input("{}: expected an object, found {}", path_, object.kind());
  }

  /// The field, or nullptr if it is absent or null.
  const JsonValue* get(std::string_view key) const {
    const JsonValue* value = object_.find(key);
    return value && !value->is_null() ? value : nullptr;
  }
  std::string path(std::string_view key) const { return fmt::format("{}.{}", path_, key); }

  std::string text(std::string_view key) const {
    const JsonValue* value = object_.find(key);
    if (!value) bad_input("{}: expected a string, found nothing", path(key));
    if (!value->as_string()) bad_input("{}: expected a string, found {}", path(key), value->kind());
    return *value->as_string();
  }
  std::string text_or_empty(std::string_view key) const { return get(key) ? text(key) : std::string(); }
  bool flag(std::string_view key) const {
    const JsonValue* value = get(key);
    if (value && !value->as_bool())
      bad_input("{}: expected true or false, found {}", path(key), value->kind());
    return value && *value->as_bool();
  }
  /// The items of a list as (item, its path); none if absent or null.
  std::vector<std::pair<const JsonValue*, std::string>> items(std::string_view key) const {
    std::vector<std::pair<const JsonValue*, std::string>> out;
    const JsonValue* value = get(key);
    if (!value) return out;
    if (!value->as_array()) bad_input("{}: expected a list, found {}", path(key), value->kind());
    for (const JsonValue& item : *value->as_array()) {
      out.emplace_back(&item, fmt::format("{}[{}]", path(key), out.size()));
    }
    return out;
  }

 private:
  const JsonValue& object_;
  std::string path_;
};

Role read_role(const Fields& message) {
  const std::string word = message.text("role");
  for (const auto& [known, role] : kRoles) {
    if (word == known) return role;
  }
  bad_input("{}: expected system, user, developer, assistant, tool or latest_reminder, found '{}'",
            message.path("role"), printable(word));
}

std::optional<std::string> read_content(const Fields& message) {
  const JsonValue* content = message.get("content");
  if (!content) return std::nullopt;
  if (const std::string* text = content->as_string()) return *text;
  if (!content->as_array()) {
    bad_input("{}: expected a string or a list of parts, found {}", message.path("content"), content->kind());
  }
  std::vector<ContentPart> parts;
  for (const auto& [item, path] : message.items("content")) {
    const Fields part(*item, path);
    ContentPart read{part.text("type"), ""};
    if (read.type == "text") read.text = part.text("text");
    parts.push_back(std::move(read));
  }
  return join_parts(parts);
}

std::vector<ToolCall> read_tool_calls(const Fields& message) {
  std::vector<ToolCall> calls;
  for (const auto& [item, path] : message.items("tool_calls")) {
    const Fields call(*item, path);
    const JsonValue* function = call.get("function");
    if (!function) bad_input("{}: expected an object, found nothing", call.path("function"));
    const Fields fields(*function, call.path("function"));
    calls.push_back({call.text_or_empty("id"), fields.text("name"), fields.text("arguments")});
  }
  return calls;
}

std::vector<JsonValue> read_tools(const Fields& holder) {
  std::vector<JsonValue> tools;
  for (const auto& [item, path] : holder.items("tools")) {
    const Fields tool(*item, path);
    const JsonValue* function = tool.get("function");
    if (!function) bad_input("{}: expected an object, found nothing", tool.path("function"));
    tools.push_back(*function);
  }
  return tools;
}

std::optional<JsonValue> read_response_format(const Fields& holder) {
  const JsonValue* format = holder.get("response_format");
  return format && format->truthy() ? std::optional(*format) : std::nullopt;
}

ChatMessage read_message(const JsonValue& object, const std::string& where) {
  const Fields fields(object, where);
  ChatMessage message;
  message.role = read_role(fields);
  message.content = read_content(fields);
  // A tool result that is absent is empty; one that is null is the text "None" (see chat_encoding.cc).
  if (message.role == Role::tool && !object.find("content")) message.content = "";
  message.reasoning_content = fields.text_or_empty("reasoning_content");
  message.tool_calls = read_tool_calls(fields);
  message.tool_call_id = fields.text_or_empty("tool_call_id");
  message.tools = read_tools(fields);
  message.response_format = read_response_format(fields);
  if (fields.get("task")) message.task = fields.text("task");
  message.wo_eos = fields.flag("wo_eos");
  message.prefix = fields.flag("prefix");
  return message;
}

}  // namespace

std::string_view name(Role role) {
  for (const auto& [known, value] : kRoles) {
    if (value == role) return known;
  }
  return "";
}

std::string join_parts(const std::vector<ContentPart>& parts) {
  std::string text;
  for (const ContentPart& part : parts) {
    if (&part != parts.data()) text += "\n\n";
    text += part.type == "text" ? part.text : "[Unsupported " + part.type + "]";
  }
  return text;
}

std::vector<ChatMessage> read_messages(const JsonValue& list, const std::string& where) {
  const JsonValue::Array* array = list.as_array();
  if (!array) bad_input("{}: expected a list of messages, found {}", where, list.kind());
  std::vector<ChatMessage> messages;
  for (const JsonValue& item : *array) {
    messages.push_back(read_message(item, fmt::format("{}[{}]", where, messages.size())));
  }
  return messages;
}

std::vector<ChatMessage> read_chat_file(std::string_view text) {
  const JsonValue root = parse_json_value(text);
  if (!root.as_object()) return read_messages(root);

  const Fields fields(root, "chat");
  const JsonValue* list = root.find("messages");
  if (!list) bad_input("messages: expected a list of messages, found nothing");
  std::vector<ChatMessage> messages = read_messages(*list);
  std::vector<JsonValue> tools = read_tools(fields);
  std::optional<JsonValue> format = read_response_format(fields);
  if (tools.empty() && !format) return messages;

  if (messages.empty() || messages.front().role != Role::system)
    messages.insert(messages.begin(), {Role::system});
  if (!tools.empty()) messages.front().tools = std::move(tools);
  if (format) messages.front().response_format = std::move(format);
  return messages;
}

}  // namespace fathom

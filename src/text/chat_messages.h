#pragma once
/// Chat messages as the prompt encoding sees them, and reading them from JSON.
/// Source: architecture.md section 11; golden/encoding/README.md.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/dsml.h"
#include "text/python_json.h"

namespace fathom {

enum class Role { system, user, developer, assistant, tool, latest_reminder };
std::string_view name(Role role);

/// One part of a list content: a text, or something that the model cannot see and is named by its type.
struct ContentPart {
  std::string type;  ///< "text", or any other
  std::string text;  ///< of a text part
  bool operator==(const ContentPart&) const = default;
};

struct ChatMessage {
  Role role = Role::user;
  /// Nothing where null. Parts that are not text read `[Unsupported TYPE]`; parts are joined by a blank line.
  std::optional<std::string> content = {};
  std::string reasoning_content = {};             ///< assistant: empty if there was none
  std::vector<ToolCall> tool_calls = {};          ///< assistant
  std::string tool_call_id = {};                  ///< tool: empty if there was none
  std::vector<JsonValue> tools = {};              ///< system, developer: the `function` objects
  std::optional<JsonValue> response_format = {};  ///< system, developer
  std::optional<std::string> task = {};           ///< a quick-instruction task, on any role
  bool wo_eos = false;                            ///< assistant: no EOS after it
  bool prefix = false;                            ///< assistant, API: the last message, to be continued
};

/// The text of a list content.
std::string join_parts(const std::vector<ContentPart>& parts);

/// Reads a list of messages. Unknown fields are ignored; null is as good as absent.
/// `where` names the list in errors ("messages[3].tool_calls[0].function.name: expected a string, found
/// null").
/// @throws Error bad_input: not a list of objects, an unknown role, a field of a wrong type.
std::vector<ChatMessage> read_messages(const JsonValue& list, const std::string& where = "messages");

/// Reads a chat file: a list of messages, or an object with "messages" and, as API requests have them,
/// "tools" and "response_format", which then belong to the first message if that is a system message, else to
/// a new empty one.
/// @throws Error bad_input as read_messages() and parse_json_value() do.
std::vector<ChatMessage> read_chat_file(std::string_view text);

}  // namespace fathom

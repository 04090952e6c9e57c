#pragma once
// The recorded chat requests of tests/golden/api, read as far as their prompts need it.
#include <optional>
#include <string>
#include <string_view>

#include "text/api_prompt.h"

namespace fathom::test {

/// A member of a recorded request; null where it has none.
inline const JsonValue& at(const JsonValue& object, std::string_view key) {
  static const JsonValue null;
  const JsonValue* value = object.find(key);
  return value ? *value : null;
}
inline std::string word(const JsonValue& value) { return value.as_string() ? *value.as_string() : ""; }

/// Parts that the model cannot see all read the same in a request.
inline JsonValue with_image_parts(const JsonValue& message) {
  JsonValue::Object out = *message.as_object();
  for (JsonMember& member : out) {
    if (member.key != "content" || !member.value.as_array()) continue;
    JsonValue::Array parts;
    for (const JsonValue& part : *member.value.as_array()) {
      parts.push_back(word(at(part, "type")) == "text" ? part : JsonValue::Object{{"type", "Image"}});
    }
    member.value = std::move(parts);
  }
  return out;
}

/// As the server will read a request of Chat Completions, as far as the recorded ones need it.
inline ApiRequest read_request(const JsonValue& body) {
  ApiRequest request;
  JsonValue::Array messages;
  for (const JsonValue& message : *at(body, "messages").as_array())
    messages.push_back(with_image_parts(message));
  request.messages = read_messages(messages);
  if (const JsonValue::Array* tools = at(body, "tools").as_array()) {
    for (const JsonValue& tool : *tools) request.tools.push_back(at(tool, "function"));
  }
  const JsonValue& choice = at(body, "tool_choice");
  if (word(choice) == "none") request.tool_choice = ApiRequest::ToolChoice::none;
  if (word(choice) == "required" || choice.as_object())
    request.tool_choice = ApiRequest::ToolChoice::required;
  if (choice.as_object()) request.tool_name = word(at(at(choice, "function"), "name"));
  const JsonValue& format = at(body, "response_format");
  if (word(at(format, "type")) == "json_object") request.format = ApiRequest::Format::json_object;
  if (word(at(format, "type")) == "json_schema") {
    request.format = ApiRequest::Format::json_schema;
    request.schema = at(at(format, "json_schema"), "schema");
  }
  std::optional<bool> enabled;
  const std::string type = word(at(at(body, "thinking"), "type"));
  if (!type.empty()) enabled = type != "disabled";
  request.thinking = api_thinking(enabled, word(at(body, "reasoning_effort")), Generation::v2026_08);
  return request;
}

}  // namespace fathom::test

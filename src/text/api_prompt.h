#pragma once
/// What a chat request to the API renders to. The wire formats (Chat Completions, Responses, Messages) are
/// the server's; here a request is already read and checked. Source: architecture.md section 11, "What an API
/// request renders to"; golden/api/README.md; api.md sections 3, 4 and 12. For a 2026-04 checkpoint the
/// pieces are those of its own encoder (api.md section 12, rules 2, 3, 5, 6, 8).

#include <optional>
#include <string>
#include <vector>

#include "text/chat_messages.h"
#include "text/completion_parser.h"
#include "text/generation.h"
#include "text/prompt.h"

namespace fathom {

struct ApiRequest {
  /// System texts may stand anywhere. Only the last message can have `prefix`, and only if it is an
  /// assistant's; developer messages are system texts. Fields tools, response_format, task and wo_eos of
  /// messages are not read.
  std::vector<ChatMessage> messages;
  /// The `function` objects; numbers as parse_json_value(..., JsonDialect::serde) reads them.
  std::vector<JsonValue> tools;

  enum class ToolChoice { automatic, none, required };
  ToolChoice tool_choice = ToolChoice::automatic;
  /// The one tool that must be called, with required: only it is listed.
  std::optional<std::string> tool_name;

  enum class Format { text, json_object, json_schema };
  Format format = Format::text;
  JsonValue schema;  ///< of json_schema

  ThinkingSetting thinking;
};

struct ApiPrompt {
  Prompt prompt;
  /// How to read what the model writes after it.
  CompletionOptions completion;
  /// Thinking mode and a forced call: this text is to be forced after `</think>`.
  Prompt forced_after_thinking;
};

/// @throws Error bad_input naming the field: no messages, prefix on another message than the last, an unknown
/// tool_name, a forced call without tools.
ApiPrompt render_api_request(const ApiRequest& request, Generation generation);

}  // namespace fathom

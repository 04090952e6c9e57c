#pragma once
/// Lines of JSON for the encoder and the parser, as in golden/encoding/cases.jsonl and parse.jsonl.

#include <string>
#include <string_view>
#include <vector>

#include "text/chat_encoding.h"
#include "text/completion.h"

namespace fathom {

/// Messages and how to encode them.
struct EncodingCase {
  std::vector<ChatMessage> messages;
  EncodeOptions options;
};
/// {"messages", "options": {"thinking_mode", "drop_thinking", "add_default_bos_token", "reasoning_effort"},
/// "context"}: what is absent or null keeps its value of `defaults`. Efforts are the encoder's words of that
/// generation.
/// @throws Error bad_input naming the field.
EncodingCase read_encoding_case(const JsonValue& line, const EncodeOptions& defaults, Generation generation);

/// The answer to one line of cases.jsonl: {"output": prompt} or {"error": why}.
std::string render_line(std::string_view line, const EncodeOptions& defaults, Generation generation);

/// The answer to one line of parse.jsonl, {"text", "thinking_mode"}: {"message": ...} or {"error": why}.
/// Where the recovering parser had something to repair, {"message", "repairs": [{"kind", "text"}]}, and
/// "trailing" if text came after the end.
std::string parse_line(std::string_view line, ThinkingMode default_mode, bool strict);

/// A completion as parse_line() answers it.
JsonValue completion_answer(const Completion& completion);

}  // namespace fathom

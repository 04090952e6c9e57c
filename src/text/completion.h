#pragma once
/// What the model wrote after a prompt, taken apart: reasoning, answer, tool calls.
/// Source: architecture.md section 11, "Parsing a completion"; golden/encoding/README.md item 9.

#include <string>
#include <string_view>
#include <vector>

#include "text/dsml.h"
#include "text/generation.h"

namespace fathom {

/// Something that the official parser would have refused, and what was done. `kind` is one of the constants
/// below, `text` what was left out of the message (empty: nothing was).
struct Repair {
  std::string_view kind;
  std::string text;
  bool operator==(const Repair&) const = default;
};

namespace repair {
inline constexpr std::string_view kStrayToken = "stray_token";  ///< think tags, BOS: left out
inline constexpr std::string_view kReasoningEndedByEos = "reasoning_ended_by_eos";
inline constexpr std::string_view kReasoningEndedByCall = "reasoning_ended_by_call";
inline constexpr std::string_view kTextAfterEos = "text_after_eos";  ///< in Completion::trailing
inline constexpr std::string_view kBlockAsText = "block_as_text";    ///< unreadable: in the content
inline constexpr std::string_view kParameterAsText = "parameter_as_text";
inline constexpr std::string_view kTextInBlock = "text_in_block";       ///< in the content
inline constexpr std::string_view kMarkupSpelling = "markup_spelling";  ///< bars, quotes, spaces, names
inline constexpr std::string_view kEmptyBlock = "empty_block";
inline constexpr std::string_view kStrayTag = "stray_tag";  ///< an end tag of nothing: left out
inline constexpr std::string_view kNoBlock = "no_block";    ///< a call outside of a block
inline constexpr std::string_view kUnclosedCall = "unclosed_call";
inline constexpr std::string_view kUnclosedParameter = "unclosed_parameter";
inline constexpr std::string_view kStringAttribute = "string_attribute";      ///< missing or odd
inline constexpr std::string_view kValueAsString = "value_as_string";         ///< string="false" and not JSON
inline constexpr std::string_view kRepeatedParameter = "repeated_parameter";  ///< the first stays
inline constexpr std::string_view kJsonBody = "json_body";  ///< an object instead of parameters
inline constexpr std::string_view kCutTag = "cut_tag";      ///< the end came within a tag
}  // namespace repair

struct Completion {
  std::string reasoning_content;
  std::string content;
  std::vector<ToolCall> tool_calls;  ///< without ids
  std::string trailing;              ///< what came after EOS
  bool ended = false;                ///< EOS was there
  std::vector<Repair> repairs;
};

/// As the official parser: the text must be well formed to the last character.
/// `string="false"` values go into the arguments unchecked, so these may be no JSON.
/// @throws Error bad_input "completion: expected X, found Y at byte N".
Completion parse_completion_strict(std::string_view text, ThinkingMode mode);

/// Never fails and loses nothing: see text/completion_parser.h, which this feeds with the whole text.
/// A text that the strict parser takes gives the same message, unless a value is not JSON or holds markup.
Completion parse_completion(std::string_view text, ThinkingMode mode);

/// The message as the official parser writes it: {"role": "assistant", "content", "reasoning_content",
/// "tool_calls"}.
JsonValue to_json(const Completion& completion);

}  // namespace fathom

#pragma once
/// Every literal of the prompt encoding in one place. Source: golden/encoding/protocol_strings.json
/// (generation 2026-04) and protocol_strings_2026_08.json, to which tests/text/protocol_strings_test.cc holds
/// this file. In templates, {name} stands for a field; see append_template() in text/prompt.h.

#include <array>
#include <string_view>
#include <utility>

namespace fathom::protocol {

// Added tokens of the tokenizer.
inline constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kThinkStart = "<think>";
inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kDsml = "｜DSML｜";
inline constexpr std::string_view kUser = "<｜User｜>";
inline constexpr std::string_view kAssistant = "<｜Assistant｜>";
inline constexpr std::string_view kLatestReminder = "<｜latest_reminder｜>";
inline constexpr std::string_view kFimBegin = "<｜fim▁begin｜>";
inline constexpr std::string_view kFimHole = "<｜fim▁hole｜>";
inline constexpr std::string_view kFimEnd = "<｜fim▁end｜>";

/// Task name -> its token.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTasks = {{
    {"action", "<｜action｜>"},
    {"query", "<｜query｜>"},
    {"authority", "<｜authority｜>"},
    {"domain", "<｜domain｜>"},
    {"title", "<｜title｜>"},
    {"read_url", "<｜read_url｜>"},
}};

/// Effort texts: A is max of 2026-04 and high of 2026-08, B is max of 2026-08.
extern const std::string_view kEffortTextA;
extern const std::string_view kEffortTextB;

extern const std::string_view
    kToolsSection;  ///< {dsml_token} {thinking_start_token} {thinking_end_token} {tool_schemas}
inline constexpr std::string_view kResponseFormat =
    "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n{schema}";
inline constexpr std::string_view kToolCall =
    "<{dsml_token}invoke name=\"{name}\">\n{arguments}\n</{dsml_token}invoke>";
inline constexpr std::string_view kToolCalls =
    "<{dsml_token}{tc_block_name}>\n{tool_calls}\n</{dsml_token}{tc_block_name}>";
inline constexpr std::string_view kToolCallsName = "tool_calls";
inline constexpr std::string_view kParameter =
    "<{dsml_token}parameter name=\"{key}\" string=\"{is_str}\">{value}</{dsml_token}parameter>";
inline constexpr std::string_view kToolResult = "<tool_result>{content}</tool_result>";

// What only API requests render to.
inline constexpr std::string_view kApiJsonObjectSection =
    "\n\nYou are a helpful assistant designed to output JSON.\n## Response Format:\n\nReply with JSON object "
    "ONLY.";
inline constexpr std::string_view kApiToolChoiceRequiredSuffix = "\n\n<{dsml_token}tool_calls>\n";
inline constexpr std::string_view kApiInvokeWithoutParameters =
    "<{dsml_token}invoke name=\"{name}\">\n</{dsml_token}invoke>";

}  // namespace fathom::protocol

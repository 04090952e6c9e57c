#include "text/generation.h"

#include <string>

#include "base/error.h"
#include "text/protocol_strings.h"
#include "text/python_json.h"

namespace fathom {

std::string_view name(Generation generation) {
  return generation == Generation::v2026_04 ? "2026-04" : "2026-08";
}

Generation parse_generation(std::string_view word) {
  for (const Generation generation : {Generation::v2026_04, Generation::v2026_08}) {
    if (word == name(generation)) return generation;
  }
  bad_input("prompt encoding: expected 2026-04 or 2026-08, found '{}'", printable(word));
}

namespace {

/// Whether a line of the script starts with `constant` and an equals sign or a type.
bool defines(std::string_view script, std::string_view constant) {
  for (size_t at = script.find(constant); at != std::string_view::npos; at = script.find(constant, at + 1)) {
    if (at > 0 && script[at - 1] != '\n') continue;
    const size_t next = script.find_first_not_of(" \t", at + constant.size());
    if (next != std::string_view::npos && (script[next] == '=' || script[next] == ':')) return true;
  }
  return false;
}

}  // namespace

Generation detect_generation(std::string_view script_text, std::string_view config_text) {
  if (defines(script_text, "REASONING_EFFORT_PROMPTS")) return Generation::v2026_08;
  if (defines(script_text, "REASONING_EFFORT_MAX")) return Generation::v2026_04;
  if (config_text.empty()) return Generation::v2026_04;

  const JsonValue config = in_context("config.json", [&] { return parse_json_value(config_text); });
  if (!config.as_object()) bad_input("config.json: expected an object, found {}", config.kind());
  for (const JsonMember& member : *config.as_object()) {
    if (member.key.starts_with("dspark_")) return Generation::v2026_08;
  }
  return Generation::v2026_04;
}

ThinkingMode parse_thinking_mode(std::string_view word) {
  if (word == "chat") return ThinkingMode::chat;
  if (word == "thinking") return ThinkingMode::thinking;
  bad_input("thinking_mode: expected chat or thinking, found '{}'", printable(word));
}

Effort parse_effort(std::string_view word, Generation generation) {
  const bool has_low = generation == Generation::v2026_08;
  if (word == "low" && has_low) return Effort::low;
  if (word == "high") return Effort::high;
  if (word == "max") return Effort::max;
  bad_input("reasoning_effort: expected {}high or max, found '{}'", has_low ? "low, " : "", printable(word));
}

std::string_view effort_text(Effort effort, Generation generation) {
  if (generation == Generation::v2026_04) {
    if (effort == Effort::low) bad_input("reasoning_effort: expected high or max, found 'low'");
    return effort == Effort::max ? protocol::kEffortTextA : "";
  }
  if (effort == Effort::high) return protocol::kEffortTextA;
  return effort == Effort::max ? protocol::kEffortTextB : "";
}

ThinkingSetting api_thinking(std::optional<bool> enabled, std::string_view word, Generation generation) {
  const bool early = generation == Generation::v2026_04;
  ThinkingSetting setting;
  if (word == "none") {
    if (!enabled.value_or(false)) setting.mode = ThinkingMode::chat;
  } else if (word == "minimal" || word == "low") {
    setting.effort = early ? Effort::high : Effort::low;
  } else if (word == "xhigh") {
    setting.effort = early ? Effort::max : Effort::high;
  } else if (word == "max" || word == "ultra") {
    setting.effort = Effort::max;
  } else if (!word.empty() && word != "medium" && word != "high") {
    bad_input("reasoning_effort: expected none, minimal, low, medium, high, xhigh, max or ultra, found '{}'",
              printable(word));
  }
  if (!enabled.value_or(true)) setting.mode = ThinkingMode::chat;
  return setting;
}

}  // namespace fathom

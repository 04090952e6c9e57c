// The literals in the source are those of golden/encoding.
#include "text/protocol_strings.h"

#include <doctest/doctest.h>

#include "tests/text/encoding_cases.h"

namespace fathom {
namespace {

std::string text_of(const JsonValue& object, std::string_view key) { return *object.find(key)->as_string(); }

TEST_CASE("2026-04") {
  const JsonValue golden = parse_json_value(test::read_golden("protocol_strings.json"));
  const std::vector<std::pair<std::string_view, std::string_view>> literals = {
      {"bos", protocol::kBos},
      {"eos", protocol::kEos},
      {"think_start", protocol::kThinkStart},
      {"think_end", protocol::kThinkEnd},
      {"dsml", protocol::kDsml},
      {"user", protocol::kUser},
      {"assistant", protocol::kAssistant},
      {"latest_reminder", protocol::kLatestReminder},
      {"reasoning_effort_max", protocol::kEffortTextA},
      {"tools_section", protocol::kToolsSection},
      {"response_format", protocol::kResponseFormat},
      {"tool_call", protocol::kToolCall},
      {"tool_calls", protocol::kToolCalls},
      {"tool_result", protocol::kToolResult},
  };
  for (const auto& [key, literal] : literals) {
    CAPTURE(key);
    CHECK(text_of(golden, key) == literal);
  }
  const JsonValue::Object& tasks = *golden.find("tasks")->as_object();
  CHECK(tasks.size() == protocol::kTasks.size());
  for (const auto& [task, token] : protocol::kTasks) CHECK(text_of(*golden.find("tasks"), task) == token);
  CHECK(golden.as_object()->size() == literals.size() + 1);  // and the tasks: nothing is left out
}

TEST_CASE("2026-08") {
  const JsonValue golden = parse_json_value(test::read_golden("protocol_strings_2026_08.json"));
  const JsonValue& effort = *golden.find("reasoning_effort");
  CHECK(text_of(effort, "low").empty());
  CHECK(text_of(effort, "high") == protocol::kEffortTextA);
  CHECK(text_of(effort, "max") == protocol::kEffortTextB);
  CHECK(text_of(golden, "api_json_object_section") == protocol::kApiJsonObjectSection);
  CHECK(text_of(golden, "api_tool_choice_required_suffix") == protocol::kApiToolChoiceRequiredSuffix);
  CHECK(text_of(golden, "api_invoke_without_parameters") == protocol::kApiInvokeWithoutParameters);
}

}  // namespace
}  // namespace fathom

#include "text/encoding_lines.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "tests/text/encoding_cases.h"

namespace fathom {
namespace {

TEST_CASE("lines of cases.jsonl are answered with their output, or an error") {
  for (const JsonValue& test_case : test::read_golden_lines("cases.jsonl")) {
    const JsonValue answer = parse_json_value(render_line(dump_json(test_case), {}, Generation::v2026_04));
    REQUIRE(answer.as_object()->size() == 1);
    if (const JsonValue* output = test_case.find("output")) {
      CHECK(*answer.find("output") == *output);
    } else if (*test_case.find("error")->as_string() != "AttributeError") {
      CHECK(answer.find("error") != nullptr);
    }
  }
}

TEST_CASE("lines of parse.jsonl are answered with their message, or an error if strict") {
  for (const JsonValue& test_case : test::read_golden_lines("parse.jsonl")) {
    const std::string line = dump_json(test_case);
    const JsonValue strict = parse_json_value(parse_line(line, ThinkingMode::chat, true));
    const JsonValue* message = test_case.find("message");
    if (message) CHECK(strict == JsonValue(JsonValue::Object{{"message", *message}}));
    if (!message) CHECK(strict.find("error") != nullptr);
    CHECK(parse_json_value(parse_line(line, ThinkingMode::chat, false)).find("message") != nullptr);
  }
}

TEST_CASE("errors name the field") {
  const auto error = [](const char* line) { return render_line(line, {}, Generation::v2026_04); };
  CHECK(error("[]") == R"({"error": "line: expected an object, found list"})");
  CHECK(error("{}") == R"({"error": "messages: expected a list of messages, found nothing"})");
  CHECK(error(R"({"messages": [], "options": {"drop_thinking": 1}})") ==
        R"({"error": "drop_thinking: expected true or false, found integer"})");
  CHECK(error(R"({"messages": [], "options": {"thinking_mode": "x"}})") ==
        R"({"error": "thinking_mode: expected chat or thinking, found 'x'"})");
  CHECK(error(R"({"messages": [], "context": [{}]})") ==
        R"({"error": "context[0].role: expected a string, found nothing"})");
  CHECK(parse_line("{}", ThinkingMode::chat, true) ==
        R"({"error": "text: expected a string, found nothing"})");
}

TEST_CASE("what was repaired is in the answer") {
  CHECK(parse_line(R"({"text": "c<｜end▁of▁sentence｜>more", "thinking_mode": "chat"})",
                   ThinkingMode::thinking, false) ==
        R"({"message": {"role": "assistant", "content": "c", "reasoning_content": "", "tool_calls": []}, )"
        R"("repairs": [{"kind": "text_after_eos", "text": ""}], "trailing": "more"})");
}

}  // namespace
}  // namespace fathom

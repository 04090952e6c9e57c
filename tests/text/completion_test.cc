// Completions taken apart: the official parser's answers, and that what it refuses is recovered.
#include "text/completion.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/error.h"
#include "tests/text/encoding_cases.h"

namespace fathom {
namespace {

ThinkingMode mode_of(const JsonValue& test_case) {
  return parse_thinking_mode(*test_case.find("thinking_mode")->as_string());
}

TEST_CASE("parse.jsonl: strict") {
  const auto cases = test::read_golden_lines("parse.jsonl");
  int64_t equal = 0, refused = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const std::string& text = *cases[i].find("text")->as_string();
    CAPTURE(text);
    if (const JsonValue* message = cases[i].find("message")) {
      CHECK(to_json(parse_completion_strict(text, mode_of(cases[i]))) == *message);
      ++equal;
    } else {
      CHECK_THROWS_AS(parse_completion_strict(text, mode_of(cases[i])), Error);
      ++refused;
    }
  }
  CHECK(equal == 115);
  CHECK(refused == 120);
}

TEST_CASE("parse.jsonl: what the official parser takes, the recovering one reads alike") {
  int64_t equal = 0, other = 0;
  for (const JsonValue& test_case : test::read_golden_lines("parse.jsonl")) {
    const JsonValue* message = test_case.find("message");
    if (!message) continue;
    const std::string& text = *test_case.find("text")->as_string();
    CAPTURE(text);
    const Completion strict = parse_completion_strict(text, mode_of(test_case));
    const bool readable = std::ranges::all_of(strict.tool_calls, [](const ToolCall& call) {
      try {
        return !call.name.empty() && call.arguments.find("DSML") == std::string::npos &&
               call.arguments.find("end▁of") == std::string::npos &&
               parse_json_value(call.arguments, JsonDialect::serde).as_object();
      } catch (const Error&) {
        return false;
      }
    });
    if (readable) {
      CHECK(to_json(parse_completion(text, mode_of(test_case))) == *message);
      ++equal;
    } else {
      ++other;
    }
  }
  CHECK(equal == 109);
  CHECK(other == 6);  // values that are no JSON or hold markup
}

}  // namespace
}  // namespace fathom

#include "text/generation.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "tests/text/encoding_cases.h"
#include "text/protocol_strings.h"

namespace fathom {
namespace {

TEST_CASE("generation of a folder") {
  CHECK(detect_generation("import re\nREASONING_EFFORT_MAX = (\n", "") == Generation::v2026_04);
  CHECK(detect_generation("REASONING_EFFORT_PROMPTS: Dict[str, str] = {\n", "") == Generation::v2026_08);
  CHECK(detect_generation("REASONING_EFFORT_MAX = ''", "{\"dspark_layers\": 1}") == Generation::v2026_04);
  CHECK(detect_generation("", "{\"dspark_layers\": 1}") == Generation::v2026_08);
  CHECK(detect_generation("", "{\"hidden_size\": 1}") == Generation::v2026_04);
  CHECK(detect_generation("", "") == Generation::v2026_04);
  // A mention is no definition.
  CHECK(detect_generation("# was REASONING_EFFORT_MAX = x\n", "{\"dspark_a\": 0}") == Generation::v2026_08);
  CHECK_THROWS_AS(detect_generation("", "[1]"), Error);
  CHECK_THROWS_AS(detect_generation("", "{"), Error);
}

TEST_CASE("names") {
  for (const Generation g : {Generation::v2026_04, Generation::v2026_08})
    CHECK(parse_generation(name(g)) == g);
  CHECK_THROWS_WITH(parse_generation("2026"), "prompt encoding: expected 2026-04 or 2026-08, found '2026'");
}

TEST_CASE("encoder words") {
  CHECK(parse_effort("low", Generation::v2026_08) == Effort::low);
  CHECK_THROWS_AS(parse_effort("low", Generation::v2026_04), Error);
  for (const char* word : {"", "medium", "MAX", "none", "xhigh"}) {
    CHECK_THROWS_AS(parse_effort(word, Generation::v2026_04), Error);
    CHECK_THROWS_AS(parse_effort(word, Generation::v2026_08), Error);
  }
  CHECK_THROWS_AS(parse_thinking_mode("on"), Error);
}

TEST_CASE("API words of 2026-08 are those of the published converter") {
  const JsonValue golden = parse_json_value(test::read_golden("protocol_strings_2026_08.json"));
  for (const JsonMember& member : *golden.find("api_effort")->as_object()) {
    CAPTURE(member.key);
    const std::string& expected = *member.value.as_string();
    const ThinkingSetting setting = api_thinking({}, member.key, Generation::v2026_08);
    if (expected == "chat mode") {
      CHECK(setting.mode == ThinkingMode::chat);
    } else {
      CHECK(setting == ThinkingSetting{ThinkingMode::thinking, parse_effort(expected, Generation::v2026_08)});
    }
  }
}

TEST_CASE("API words of 2026-04, and the thinking switch") {
  const auto effort = [](const char* word) { return api_thinking({}, word, Generation::v2026_04).effort; };
  for (const char* word : {"minimal", "low", "medium", "high", ""}) CHECK(effort(word) == Effort::high);
  for (const char* word : {"xhigh", "max", "ultra"}) CHECK(effort(word) == Effort::max);
  for (const Generation g : {Generation::v2026_04, Generation::v2026_08}) {
    CHECK(api_thinking({}, "", g) == ThinkingSetting{ThinkingMode::thinking, Effort::high});
    CHECK(api_thinking(false, "max", g).mode == ThinkingMode::chat);
    CHECK(api_thinking(true, "none", g) == ThinkingSetting{ThinkingMode::thinking, Effort::high});
    CHECK(api_thinking({}, "none", g).mode == ThinkingMode::chat);
    CHECK_THROWS_AS(api_thinking({}, "lots", g), Error);
    CHECK_THROWS_AS(api_thinking(false, "lots", g), Error);
  }
}

}  // namespace
}  // namespace fathom

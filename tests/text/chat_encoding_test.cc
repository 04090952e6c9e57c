// The encoder gives the text of the official one, for every case of golden/encoding under both generations.
#include "text/chat_encoding.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "tests/text/encoding_cases.h"
#include "text/fim.h"
#include "text/protocol_strings.h"

namespace fathom {
namespace {

EncodeOptions read_options(const JsonValue& test_case, Generation generation) {
  const JsonValue& given = *test_case.find("options");
  EncodeOptions options;
  options.thinking_mode = parse_thinking_mode(*given.find("thinking_mode")->as_string());
  options.drop_thinking = *given.find("drop_thinking")->as_bool();
  options.add_default_bos = *given.find("add_default_bos_token")->as_bool();
  if (const std::string* effort = given.find("reasoning_effort")->as_string()) {
    // The cases are of 2026-04; 2026-08 says high where that said max, and low where it said high.
    const bool early = generation == Generation::v2026_04;
    options.effort = parse_effort(early ? *effort : *effort == "max" ? "high" : "low", generation);
  }
  if (const JsonValue* context = test_case.find("context"))
    options.context = read_messages(*context, "context");
  return options;
}

/// AttributeError is the official encoder's answer to arguments that are JSON but no object, and to null and
/// list contents of users, which ours takes.
bool ours_accepts(const JsonValue& error) { return *error.as_string() == "AttributeError"; }

TEST_CASE("cases.jsonl under both generations") {
  const auto cases = test::read_golden_lines("cases.jsonl");
  CHECK(cases.size() == 301);
  for (const Generation generation : {Generation::v2026_04, Generation::v2026_08}) {
    int64_t equal = 0, refused = 0, better = 0;
    for (size_t i = 0; i < cases.size(); ++i) {
      CAPTURE(i);
      CAPTURE(name(generation));
      const auto encode = [&] {
        return encode_messages(read_messages(*cases[i].find("messages")), read_options(cases[i], generation),
                               generation);
      };
      if (const JsonValue* output = cases[i].find("output")) {
        CHECK(encode().joined() == *output->as_string());
        ++equal;
      } else if (ours_accepts(*cases[i].find("error"))) {
        CHECK_NOTHROW(encode());
        ++better;
      } else {
        CHECK_THROWS_AS(encode(), Error);
        ++refused;
      }
    }
    CHECK(equal == 271);
    CHECK(refused == 15);
    CHECK(better == 15);
  }
}

TEST_CASE("official example conversations") {
  for (const char* number : {"1", "2", "3", "4"}) {
    CAPTURE(number);
    const auto messages = read_chat_file(test::read_golden(std::string("test_input_") + number + ".json"));
    const std::string expected = test::read_golden(std::string("test_output_") + number + ".txt");
    EncodeOptions options;
    // The fourth is a conversation of quick instructions, which are never answered with thinking.
    if (*number == '4') options.thinking_mode = ThinkingMode::chat;
    CHECK(encode_messages(messages, options, Generation::v2026_04).joined() == expected);
  }
}

TEST_CASE("arguments that are no object are one string parameter") {
  for (const char* arguments : {"[1, 2]", "\"text\"", "null", "7", "", "{\"a\": 1"}) {
    CAPTURE(arguments);
    ChatMessage turn{Role::assistant};
    turn.tool_calls = {{"", "f", arguments}};
    const std::string text = encode_messages({turn}, {}, Generation::v2026_04).joined();
    CHECK(text.find(std::string("<｜DSML｜parameter name=\"arguments\" string=\"true\">") + arguments +
                    "</｜DSML｜parameter>") != std::string::npos);
  }
}

TEST_CASE("only markup is special") {
  ChatMessage user{Role::user};
  user.content = "<｜User｜></think>｜DSML｜";
  ChatMessage answer{Role::assistant};
  answer.reasoning_content = "<think>";
  answer.tool_calls = {{"", "f", "{\"a\": \"</｜DSML｜invoke>\"}"}};
  const Prompt prompt = encode_messages({user, answer}, {}, Generation::v2026_04);

  std::string specials;
  for (const Segment& segment : prompt.segments()) {
    if (segment.special) specials += segment.text + " ";
  }
  CHECK(specials ==
        "<｜begin▁of▁sentence｜> <｜User｜> <｜Assistant｜> <think> </think> ｜DSML｜ ｜DSML｜ ｜DSML｜ "
        "｜DSML｜ "
        "｜DSML｜ ｜DSML｜ <｜end▁of▁sentence｜> ");
  for (size_t i = 1; i < prompt.segments().size(); ++i) {
    CHECK((prompt.segments()[i].special || prompt.segments()[i - 1].special));
  }
}

TEST_CASE("effort texts stand after BOS, in thinking mode only") {
  const std::vector<ChatMessage> hello = {{Role::user, "Hi"}};
  const auto encode = [&](ThinkingMode mode, Effort effort, Generation generation) {
    EncodeOptions options;
    options.thinking_mode = mode;
    options.effort = effort;
    return encode_messages(hello, options, generation).joined();
  };
  const std::string open = std::string(protocol::kBos);
  CHECK(encode(ThinkingMode::thinking, Effort::max, Generation::v2026_08)
            .starts_with(open + std::string(protocol::kEffortTextB) + "<｜User｜>Hi"));
  CHECK(encode(ThinkingMode::thinking, Effort::high, Generation::v2026_08)
            .starts_with(open + std::string(protocol::kEffortTextA) + "<｜User｜>Hi"));
  CHECK(encode(ThinkingMode::thinking, Effort::high, Generation::v2026_04) ==
        open + "<｜User｜>Hi<｜Assistant｜><think>");
  CHECK(encode(ThinkingMode::chat, Effort::max, Generation::v2026_08) ==
        open + "<｜User｜>Hi<｜Assistant｜></think>");
  CHECK_THROWS_AS(encode(ThinkingMode::thinking, Effort::low, Generation::v2026_04), Error);
}

TEST_CASE("fill in the middle") {
  CHECK(fim_prompt("def f(", "):\n").joined() ==
        "<｜begin▁of▁sentence｜><｜fim▁begin｜>def f(<｜fim▁hole｜>):\n<｜fim▁end｜>");
  CHECK(fim_prompt("", "", false).segments().size() == 3);
  CHECK(fim_prompt("<｜fim▁end｜>", "b", false).segments()[1] == Segment{"<｜fim▁end｜>", false});
}

}  // namespace
}  // namespace fathom

// API requests render as DeepSeek's own converter renders them: the recorded chat requests of golden/api.
#include "text/api_prompt.h"

#include <doctest/doctest.h>

#include <sstream>

#include "base/error.h"
#include "tests/text/api_request.h"
#include "tests/text/encoding_cases.h"
#include "text/chat_encoding.h"

namespace fathom {
namespace {

using test::at;
using test::read_request;
using test::word;

/// The places of added tokens, in code points.
JsonValue special_ranges(const Prompt& prompt) {
  JsonValue::Array ranges;
  int64_t position = 0;
  for (const Segment& segment : prompt.segments()) {
    const int64_t start = position;
    for (const char c : segment.text) position += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    const auto integer = [](int64_t value) { return JsonValue(JsonValue::Integer{std::to_string(value)}); };
    if (segment.special) ranges.emplace_back(JsonValue::Array{integer(start), integer(position)});
  }
  return ranges;
}

std::string start_name(const CompletionOptions& completion) {
  if (completion.start == CompletionOptions::Start::tool_calls) return "tool_calls";
  if (completion.start == CompletionOptions::Start::reasoning) {
    return completion.continues ? "reasoning_continued" : "reasoning";
  }
  return completion.continues ? "content_continued" : "content";
}

TEST_CASE("recorded chat requests") {
  std::istringstream lines(test::read_file(FATHOM_SOURCE_DIR "/tests/golden/api/requests.jsonl"));
  int64_t compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const JsonValue test_case = parse_json_value(line, JsonDialect::serde);
    if (word(at(test_case, "api")) != "chat" || at(test_case, "prompt").is_null()) continue;
    CAPTURE(word(at(test_case, "id")));
    CAPTURE(word(at(test_case, "tag")));
    const std::string improve = word(at(test_case, "improve")).substr(0, 4);
    // Strict schemas are completed by whoever reads the request, before it is rendered.
    if (improve == "R20 " || word(at(test_case, "tag")).starts_with("tool strict")) continue;
    const JsonValue body = at(test_case, "raw").as_string()
                               ? parse_json_value(word(at(test_case, "raw")), JsonDialect::serde)
                               : at(test_case, "request");
    if (improve == "R17 ") {  // a forced call without tools is refused
      CHECK_THROWS_AS(render_api_request(read_request(body), Generation::v2026_08), Error);
      continue;
    }
    const ApiRequest request = read_request(body);
    const ApiPrompt found = render_api_request(request, Generation::v2026_08);
    CHECK(found.prompt.joined() == word(at(test_case, "prompt")));
    CHECK(dump_json(special_ranges(found.prompt)) == dump_json(at(test_case, "special")));
    // The record does not tell a continued answer without thinking from a new one (S18: ours keeps its
    // newlines).
    const std::string start = word(at(at(test_case, "settings"), "start"));
    const bool chat_prefix = request.thinking.mode == ThinkingMode::chat && request.messages.back().prefix &&
                             request.messages.back().role == Role::assistant;
    CHECK(start_name(found.completion) == (!start.empty() ? start
                                           : chat_prefix  ? "content_continued"
                                                          : "content"));
    CHECK(found.completion.parse_tool_calls == at(at(test_case, "settings"), "parse_tools").truthy());
    ++compared;
  }
  CHECK(compared == 237);
}

TEST_CASE("a forced call while thinking is forced after the reasoning") {
  ApiRequest request;
  request.messages = {{Role::user, "Hi"}};
  request.tools = {parse_json_value(R"({"name": "f"})"), parse_json_value(R"({"name": "g"})")};
  request.tool_choice = ApiRequest::ToolChoice::required;
  request.tool_name = "g";
  const ApiPrompt thinking = render_api_request(request, Generation::v2026_08);
  CHECK(thinking.prompt.joined().ends_with("<｜User｜>Hi<｜Assistant｜><think>"));
  CHECK(thinking.forced_after_thinking.joined() == "\n\n<｜DSML｜tool_calls>\n");
  CHECK(thinking.prompt.joined().find("{\"name\": \"g\", \"description\": \"\", \"parameters\": {}}") !=
        std::string::npos);
  CHECK(thinking.prompt.joined().find("\"f\"") == std::string::npos);

  request.thinking.mode = ThinkingMode::chat;
  const ApiPrompt chat = render_api_request(request, Generation::v2026_08);
  CHECK(chat.prompt.joined().ends_with("</think>\n\n<｜DSML｜tool_calls>\n"));
  CHECK(chat.forced_after_thinking.empty());
  CHECK(chat.completion.start == CompletionOptions::Start::tool_calls);
}

TEST_CASE("requests that cannot be rendered name the field") {
  ApiRequest request;
  const auto render = [&] { return render_api_request(request, Generation::v2026_08); };
  CHECK_THROWS_WITH_AS(render(), "messages: expected at least one message, found none", Error);
  request.messages = {{Role::assistant, "a"}, {Role::user, "b"}};
  request.messages[0].prefix = true;
  CHECK_THROWS_WITH_AS(render(), "messages[0].prefix: expected it on the last message only, found one before",
                       Error);
  request.messages[0].prefix = false;
  request.tool_choice = ApiRequest::ToolChoice::required;
  CHECK_THROWS_WITH_AS(render(), "tool_choice: expected tools for a forced call, found none", Error);
  request.tool_name = "h";
  request.tools = {parse_json_value(R"({"name": "f"})")};
  CHECK_THROWS_WITH_AS(render(), "tool_choice: expected the name of a tool, found 'h'", Error);
}

// api.md section 12, rules 2, 3, 5, 6 and 8: what the older encoder does otherwise.
TEST_CASE("2026-04 requests are written with the pieces of their encoder") {
  ApiRequest request;
  ChatMessage call{Role::assistant};
  call.tool_calls = {{"b", "f", "{\"n\": 123456789012345678901}"}, {"a", "f", "{}"}};
  ChatMessage first{Role::tool, "for a"}, second{Role::tool, "for b"};
  first.tool_call_id = "a";
  second.tool_call_id = "b";
  request.messages = {{Role::user, "Hi"}, call, first, second, {Role::latest_reminder, "now"}};
  request.tools = {parse_json_value(R"({"name": "f", "strict": true})")};

  const std::string early = render_api_request(request, Generation::v2026_04).prompt.joined();
  CHECK(early.find("{\"name\": \"f\", \"strict\": true}") != std::string::npos);
  CHECK(early.ends_with(
      "<｜User｜>Hi<｜Assistant｜><think></think>\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
      "<｜DSML｜parameter name=\"n\" string=\"false\">123456789012345678901</｜DSML｜parameter>\n"
      "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"f\">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>"
      "<｜end▁of▁sentence｜><｜User｜><tool_result>for b</tool_result>\n\n"
      "<tool_result>for a</tool_result><｜Assistant｜><think><｜latest_reminder｜>now"));

  const std::string late = render_api_request(request, Generation::v2026_08).prompt.joined();
  CHECK(late.ends_with(
      "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>\n"
      "<｜DSML｜invoke name=\"f\">\n"
      "<｜DSML｜parameter name=\"n\" string=\"false\">1.2345678901234568e+20</｜DSML｜parameter>\n"
      "</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜><｜User｜>"
      "<tool_result>for a</tool_result>\n\n<tool_result>for b</tool_result>"
      "<｜latest_reminder｜>now<｜Assistant｜><think>"));
}

TEST_CASE("a 2026-04 request without API rules is what the official encoder makes of it") {
  const std::vector<ChatMessage> messages = {
      {Role::system, "S"}, {Role::user, "a"}, {Role::latest_reminder, "now"}};
  ApiRequest request;
  request.messages = messages;
  CHECK(render_api_request(request, Generation::v2026_04).prompt.segments() ==
        encode_messages(messages, {}, Generation::v2026_04).segments());
}

}  // namespace
}  // namespace fathom

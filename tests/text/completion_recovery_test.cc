// Every kind of malformed completion: what is recovered, what is reported, and that the cut into pieces never
// shows.
#include <doctest/doctest.h>

#include <random>
#include <sstream>

#include "tests/text/encoding_cases.h"
#include "text/completion_parser.h"
#include "text/protocol_strings.h"

namespace fathom {
namespace {

using Kind = CompletionEvent::Kind;

CompletionOptions options_of(ThinkingMode mode) {
  CompletionOptions options;
  if (mode == ThinkingMode::thinking) options.start = CompletionOptions::Start::reasoning;
  return options;
}

/// The message that events add up to; checks their order on the way.
struct Replay {
  Completion sum = {};
  bool ended = false;
  bool in_call = false;

  void add(const std::vector<CompletionEvent>& events) {
    for (const CompletionEvent& event : events) {
      CHECK_FALSE(ended);
      if (event.kind == Kind::reasoning) sum.reasoning_content += event.text;
      if (event.kind == Kind::content) sum.content += event.text;
      if (event.kind == Kind::call_start) {
        CHECK_FALSE(in_call);
        CHECK(event.call == std::ssize(sum.tool_calls));
        sum.tool_calls.push_back({"", event.text, ""});
        in_call = true;
      }
      if (event.kind == Kind::arguments) {
        CHECK(in_call);
        CHECK(event.call == std::ssize(sum.tool_calls) - 1);
        sum.tool_calls.back().arguments += event.text;
      }
      if (event.kind == Kind::call_end) {
        CHECK(in_call);
        in_call = false;
      }
      if (event.kind == Kind::end) ended = true;
    }
  }
};

void check_same(const Completion& a, const Completion& b) {
  CHECK(a.reasoning_content == b.reasoning_content);
  CHECK(a.content == b.content);
  CHECK(a.tool_calls == b.tool_calls);
}

Completion stream(const std::vector<std::string_view>& pieces, const CompletionOptions& options) {
  CompletionParser parser(options);
  Replay replay;
  for (const std::string_view piece : pieces) replay.add(parser.feed(piece));
  replay.add(parser.finish());
  CHECK(replay.ended);
  CHECK_FALSE(replay.in_call);
  check_same(replay.sum, parser.result());
  return parser.result();
}

void check_cuts(std::string_view text, const CompletionOptions& options) {
  const Completion whole = stream({text}, options);
  const auto check = [&](const std::vector<std::string_view>& pieces) {
    const Completion cut = stream(pieces, options);
    check_same(cut, whole);
    CHECK(cut.trailing == whole.trailing);
    CHECK(cut.repairs == whole.repairs);
    CHECK(cut.ended == whole.ended);
  };
  for (size_t i = 1; i < text.size(); ++i) check({text.substr(0, i), text.substr(i)});
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  check(bytes);
  std::mt19937 random(7);
  for (int round = 0; round < 10; ++round) {
    std::vector<std::string_view> pieces;
    for (size_t i = 0; i < text.size();) {
      const size_t bytes_of_piece = 1 + random() % 9;
      pieces.push_back(text.substr(i, bytes_of_piece));
      i += bytes_of_piece;
    }
    check(pieces);
  }
}

std::vector<JsonValue> recovery_cases() {
  std::vector<JsonValue> cases;
  std::istringstream lines(test::read_file(FATHOM_SOURCE_DIR "/tests/text/completion_recovery.jsonl"));
  for (std::string line; std::getline(lines, line);) cases.push_back(parse_json_value(line));
  return cases;
}

std::string text_of(const JsonValue& object, std::string_view key) { return *object.find(key)->as_string(); }

TEST_CASE("recovery") {
  const auto cases = recovery_cases();
  CHECK(cases.size() > 60);
  for (const JsonValue& test_case : cases) {
    CAPTURE(text_of(test_case, "name"));
    const Completion found = parse_completion(text_of(test_case, "text"),
                                              parse_thinking_mode(text_of(test_case, "thinking_mode")));
    CHECK(found.reasoning_content == text_of(test_case, "reasoning"));
    CHECK(found.content == text_of(test_case, "content"));
    CHECK(found.trailing == text_of(test_case, "trailing"));
    JsonValue::Array calls, repairs;
    for (const ToolCall& call : found.tool_calls) {
      calls.emplace_back(JsonValue::Array{call.name, call.arguments});
      CHECK(parse_json_value(call.arguments, JsonDialect::serde).as_object());
    }
    for (const Repair& repair : found.repairs) repairs.emplace_back(std::string(repair.kind));
    CHECK(dump_json(calls) == dump_json(*test_case.find("calls")));
    CHECK(dump_json(repairs) == dump_json(*test_case.find("repairs")));
  }
}

TEST_CASE("recovery: any cut gives the same") {
  for (const JsonValue& test_case : recovery_cases()) {
    CAPTURE(text_of(test_case, "name"));
    CompletionOptions options = options_of(parse_thinking_mode(text_of(test_case, "thinking_mode")));
    check_cuts(text_of(test_case, "text"), options);
    options.trim_newlines = true;
    check_cuts(text_of(test_case, "text"), options);
  }
}

TEST_CASE("parse.jsonl: any cut gives the same") {
  for (const JsonValue& test_case : test::read_golden_lines("parse.jsonl")) {
    const std::string text = text_of(test_case, "text");
    CAPTURE(text);
    check_cuts(text, options_of(parse_thinking_mode(text_of(test_case, "thinking_mode"))));
  }
}

TEST_CASE("no part of a marker is given out") {
  const std::string text =
      "r</think>c\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" "
      "string=\"true\">x</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>";
  CompletionParser parser(options_of(ThinkingMode::thinking));
  std::string log;
  for (const char c : text) {
    for (const CompletionEvent& event : parser.feed(std::string_view(&c, 1))) {
      log += std::to_string(static_cast<int>(event.kind)) + ":" + event.text + "|";
    }
  }
  CHECK(log == "0:r|1:c|2:f|3:{\"a\": \"|3:x|3:\"|3:}|4:|5:|");
  CHECK(parser.finish().empty());
  CHECK(parser.result().ended);
  CHECK(parser.result().repairs.empty());
}

TEST_CASE("string values come as they are written, others whole") {
  CompletionParser parser({});
  parser.feed(
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"s\" "
      "string=\"true\">");
  CHECK(parser.feed("ab\"") == std::vector<CompletionEvent>{{Kind::arguments, "ab\\\"", 0}});
  CHECK(parser.feed("c") == std::vector<CompletionEvent>{{Kind::arguments, "c", 0}});
  parser.feed("</｜DSML｜parameter>\n<｜DSML｜parameter name=\"n\" string=\"false\">");
  CHECK(parser.feed("[1,").empty());
  CHECK(parser.feed("2]").empty());
  CHECK(parser.feed("</｜DSML｜parameter>") ==
        std::vector<CompletionEvent>{{Kind::arguments, ", \"n\": [1,2]", 0}});
}

TEST_CASE("tokens: only added tokens are markup") {
  const auto read = [](const std::vector<std::pair<std::string_view, Piece>>& pieces) {
    CompletionParser parser(options_of(ThinkingMode::thinking));
    for (const auto& [text, piece] : pieces) parser.feed(text, piece);
    parser.finish();
    return parser.result();
  };
  const Completion text = read({{"</think>", Piece::plain},
                                {"</think>", Piece::special},
                                {"\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">", Piece::plain},
                                {protocol::kEos, Piece::plain},
                                {protocol::kUser, Piece::special},
                                {"lost", Piece::plain}});
  CHECK(text.reasoning_content == "</think>");
  CHECK(text.content == "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\"><｜end▁of▁sentence｜>");
  CHECK(text.trailing == "lost");
  CHECK(text.tool_calls.empty());

  const Completion call = read({{"</think>", Piece::special},
                                {"\n\n<", Piece::plain},
                                {protocol::kDsml, Piece::special},
                                {"tool_calls>\n<", Piece::plain},
                                {protocol::kDsml, Piece::special},
                                {"invoke name=\"f\">\n<", Piece::plain},
                                {protocol::kDsml, Piece::special},
                                {"parameter name=\"a\" string=\"true\"></｜DSML｜parameter></", Piece::plain},
                                {protocol::kDsml, Piece::special},
                                {"parameter>\n</", Piece::plain},
                                {protocol::kDsml, Piece::special},
                                {"invoke>\n</", Piece::plain},
                                {protocol::kDsml, Piece::special},
                                {"tool_calls>", Piece::plain},
                                {protocol::kEos, Piece::special}});
  CHECK(call.tool_calls == std::vector<ToolCall>{{"", "f", "{\"a\": \"</｜DSML｜parameter>\"}"}});
  CHECK(call.repairs.empty());
}

TEST_CASE("a limit leaves the open call as it is") {
  CompletionParser parser({});
  parser.feed("<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">half");
  parser.finish(/*cut=*/true);
  CHECK(parser.result().tool_calls == std::vector<ToolCall>{{"", "f", "{\"a\": \"half"}});
}

TEST_CASE("a forced call starts within the block") {
  CompletionOptions options;
  options.start = CompletionOptions::Start::tool_calls;
  const Completion call = stream(
      {"<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>", protocol::kEos}, options);
  CHECK(call.tool_calls == std::vector<ToolCall>{{"", "f", "{}"}});
  CHECK(call.repairs.empty());
  CHECK(stream({"Hello there"}, options).content == "Hello there");
}

TEST_CASE("without tools their markup is text") {
  CompletionOptions options;
  options.parse_tool_calls = false;
  const std::string text = "c\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n</｜DSML｜invoke>\n";
  CHECK(stream({text}, options).content == text);
}

TEST_CASE("newlines at the edges can be left out") {
  CompletionOptions options = options_of(ThinkingMode::thinking);
  options.trim_newlines = true;
  const Completion found =
      stream({"\n\nr\n\nr\n</think>\n\n c\n\n\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">"
              "\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>"},
             options);
  CHECK(found.reasoning_content == "r\n\nr");
  CHECK(found.content == " c");
  CHECK(stream({"</think>c\n\n"}, options).content == "c\n\n");
}

// Random markup: never fails, any cut gives the same, and every letter of the text is in the message or in a
// repair.
TEST_CASE("random markup") {
  const std::vector<std::string> parts = {"<｜DSML｜tool_calls>",
                                          "</｜DSML｜tool_calls>",
                                          "<｜DSML｜invoke name=\"f\">",
                                          "</｜DSML｜invoke>",
                                          "<｜DSML｜parameter name=\"a\" string=\"true\">",
                                          "<｜DSML｜parameter name=\"b\" string=\"false\">",
                                          "</｜DSML｜parameter>",
                                          "<｜DSML｜parameter ",
                                          "<｜DSML｜invoke",
                                          "</think>",
                                          "<think>",
                                          "<｜end▁of▁sentence｜>",
                                          "<",
                                          "\n",
                                          "\n\n",
                                          "/>",
                                          ">",
                                          "\"",
                                          "{\"k\": 1}",
                                          "｜DSML｜",
                                          "<|DSML|invoke name='g'/>",
                                          "name=",
                                          " ",
                                          "1"};
  std::mt19937 random(11);
  for (int round = 0; round < 400; ++round) {
    std::string text, letters;
    for (int i = 0; i < 14; ++i) {
      text += parts[random() % parts.size()];
      if (random() % 3 == 0) {
        const std::string letter(1, static_cast<char>('A' + letters.size()));
        letters += letter;
        text += letter;
      }
    }
    CAPTURE(text);
    CompletionOptions options = options_of(round % 2 ? ThinkingMode::thinking : ThinkingMode::chat);
    const Completion whole = stream({text}, options);
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < text.size(); ++i) bytes.push_back(std::string_view(text).substr(i, 1));
    const Completion cut = stream(bytes, options);
    check_same(cut, whole);
    CHECK(cut.repairs == whole.repairs);

    std::string all = whole.reasoning_content + whole.content + whole.trailing;
    for (const ToolCall& call : whole.tool_calls) all += call.name + call.arguments;
    for (const Repair& repair : whole.repairs) all += repair.text;
    for (const char letter : letters) {
      CAPTURE(letter);
      CHECK(all.find(letter) != std::string::npos);
    }
  }
}

TEST_CASE("long inputs take time in proportion") {
  // A hundred thousand pieces of a value, of spaces in a tag and of a body: seconds if each looked at all
  // before it.
  for (const char* start :
       {"<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"false\">",
        "<｜DSML｜invoke name=\"f\">{", "<｜DSML｜invoke name=\"", "<｜DSML｜tool_calls>", "\n<"}) {
    CompletionParser parser({});
    parser.feed(start);
    for (int i = 0; i < 100'000; ++i) parser.feed(" ");
    parser.finish();
    CHECK(parser.result().tool_calls.size() <= 1);
  }
}

}  // namespace
}  // namespace fathom

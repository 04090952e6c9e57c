#include "text/chat_messages.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace fathom {
namespace {

TEST_CASE("errors name the message and the field") {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"7", "messages: expected a list of messages, found integer"},
      {"[7]", "messages[0]: expected an object, found integer"},
      {"[{}]", "messages[0].role: expected a string, found nothing"},
      {R"([{"role": "user"}, {"role": "robot"}])",
       "messages[1].role: expected system, user, developer, assistant, tool or latest_reminder, found "
       "'robot'"},
      {R"([{"role": "user", "content": 5}])",
       "messages[0].content: expected a string or a list of parts, found integer"},
      {R"([{"role": "user", "content": [{"type": "text"}]}])",
       "messages[0].content[0].text: expected a string, found nothing"},
      {R"([{"role": "assistant", "tool_calls": {}}])",
       "messages[0].tool_calls: expected a list, found object"},
      {R"([{"role": "assistant", "tool_calls": [{"id": "x"}]}])",
       "messages[0].tool_calls[0].function: expected an object, found nothing"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": null, "arguments": ""}}]}])",
       "messages[0].tool_calls[0].function.name: expected a string, found null"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}])",
       "messages[0].tool_calls[0].function.arguments: expected a string, found object"},
      {R"([{"role": "system", "tools": [{"type": "function"}]}])",
       "messages[0].tools[0].function: expected an object, found nothing"},
      {R"([{"role": "assistant", "wo_eos": 1}])",
       "messages[0].wo_eos: expected true or false, found integer"},
      {R"([{"role": "tool", "tool_call_id": 1}])",
       "messages[0].tool_call_id: expected a string, found integer"},
      {R"([{"role": "user", "task": []}])", "messages[0].task: expected a string, found list"},
      {R"({"tools": []})", "messages: expected a list of messages, found nothing"},
  };
  for (const auto& [text, message] : cases) CHECK_THROWS_WITH_AS(read_chat_file(text), message, Error);
}

TEST_CASE("contents") {
  const auto content = [](const char* text) { return read_chat_file(text).front().content; };
  CHECK(content(R"([{"role": "user", "content": null}])") == std::nullopt);
  CHECK(content(R"([{"role": "user"}])") == std::nullopt);
  CHECK(content(R"([{"role": "tool"}])") == "");
  CHECK(content(R"([{"role": "tool", "content": null}])") == std::nullopt);
  CHECK(content(R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}])") ==
        "a\n\n[Unsupported image]");
}

TEST_CASE("tools of a chat file belong to its system message") {
  const char* tools = R"("tools": [{"type": "function", "function": {"name": "f"}}])";
  const auto with_system =
      read_chat_file(std::string(R"({"messages": [{"role": "system", "content": "S"}], )") + tools + "}");
  REQUIRE(with_system.size() == 1);
  CHECK(with_system[0].tools.size() == 1);
  const auto without =
      read_chat_file(std::string(R"({"messages": [{"role": "user", "content": "U"}], )") + tools + "}");
  REQUIRE(without.size() == 2);
  CHECK(without[0].role == Role::system);
  CHECK(without[0].tools.size() == 1);
}

}  // namespace
}  // namespace fathom

// return_token_ids: the ids of prompt and answer, whole and in pieces.
#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include "tests/server/test_server.h"
#include "text/python_json.h"

using namespace fathom;
using test::Answer;
using test::chat_body;
using test::TestServer;

namespace {

using Ids = std::vector<int64_t>;

Ids ids_of(const JsonValue* list) {
  Ids ids;
  REQUIRE(list);
  REQUIRE(list->as_array());
  for (const JsonValue& id : *list->as_array()) ids.push_back(std::stoll(id.as_integer()->digits));
  return ids;
}

JsonValue post(const TestServer& server, const std::string& path, const std::string& body) {
  const Answer answer = server.send(TestServer::post(path, body), true);
  CAPTURE(answer.body);
  REQUIRE(answer.status == 200);
  return parse_json_value(answer.body);
}

// The chunks of a stream.
std::vector<JsonValue> stream(const TestServer& server, const std::string& path, const std::string& body) {
  const Answer answer = server.send(TestServer::post(path, body), true);
  REQUIRE(answer.status == 200);
  std::vector<JsonValue> chunks;
  for (size_t at = 0; (at = answer.body.find("data: {", at)) != std::string::npos;) {
    const size_t end = answer.body.find("\n\n", at);
    chunks.push_back(parse_json_value(answer.body.substr(at + 6, end - at - 6)));
    at = end;
  }
  REQUIRE(!chunks.empty());
  return chunks;
}

const JsonValue& choice_of(const JsonValue& answer, size_t index = 0) {
  return answer.find("choices")->as_array()->at(index);
}

std::string text_of(const TestServer& server, const Ids& ids) {
  return *post(server, "/detokenize", fmt::format(R"({{"tokens":[{}]}})", fmt::join(ids, ",")))
              .find("text")
              ->as_string();
}

Ids joined(const std::vector<JsonValue>& chunks) {
  Ids all;
  for (const JsonValue& chunk : chunks) {
    const Ids ids = ids_of(choice_of(chunk).find("token_ids"));
    all.insert(all.end(), ids.begin(), ids.end());
  }
  return all;
}

const std::string kWanted = R"(,"return_token_ids":true)";

}  // namespace

TEST_CASE("a chat answer tells its token ids, streamed or not, thinking or not") {
  test::TestServerOptions options;
  options.service.strict_fields = true;
  const TestServer server(options);
  for (const char* thinking : {"", R"(,"thinking":{"type":"enabled"})"}) {
    std::string body = R"({"model":"v4-10m","messages":[{"role":"user","content":"Compute 12 + 34."}],)"
                       R"("max_tokens":200,"seed":1)";
    body += *thinking ? thinking : R"(,"thinking":{"type":"disabled"})";
    const std::string prompt = body + "}";
    body += kWanted;
    const JsonValue whole = post(server, "/v1/chat/completions", body + "}");
    const Ids ids = ids_of(choice_of(whole).find("token_ids"));
    CHECK(ids_of(whole.find("prompt_token_ids")) == ids_of(post(server, "/tokenize", prompt).find("tokens")));
    const JsonValue& message = *choice_of(whole).find("message");
    const std::string text = text_of(server, ids);
    CHECK(text.find(*message.find("content")->as_string()) != std::string::npos);
    CHECK(text.ends_with("<｜end▁of▁sentence｜>"));
    if (*thinking) CHECK(text.find(*message.find("reasoning_content")->as_string()) != std::string::npos);
    const int64_t counted = std::stoll(whole.find("usage")->find("completion_tokens")->as_integer()->digits);
    CHECK(counted == std::ssize(ids) - 1);

    const auto chunks = stream(server, "/v1/chat/completions", body + R"(,"stream":true})");
    CHECK(joined(chunks) == ids);
    CHECK(ids_of(chunks.front().find("prompt_token_ids")) == ids_of(whole.find("prompt_token_ids")));
    for (size_t i = 1; i < chunks.size(); ++i) CHECK_FALSE(chunks[i].find("prompt_token_ids"));
  }
}

TEST_CASE("ids of calls, of text that a stop string held back, and of a cut answer") {
  const TestServer server;
  const std::string tool =
      R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":)"
      R"({"a":{"type":"integer"}},"required":["a"]},"strict":true}}],"tool_choice":"required")";
  for (const std::string& more :
       {tool, std::string(R"(,"stop":["6"])"), std::string(R"(,"stop":["zzzz"])")}) {
    for (const int64_t most : {3, 200}) {
      const std::string body = chat_body("Compute 12 + 34.", most, more + kWanted);
      const JsonValue whole = post(server, "/v1/chat/completions", body);
      const Ids ids = ids_of(choice_of(whole).find("token_ids"));
      CHECK(!ids.empty());
      if (most == 3) CHECK(ids.size() <= 3);
      std::string streamed = body;
      streamed.back() = ',';
      CHECK(joined(stream(server, "/v1/chat/completions", streamed + R"("stream":true})")) == ids);
    }
  }
}

TEST_CASE("completions have both lists in each choice") {
  const TestServer server;
  const std::string body =
      R"({"model":"v4-10m","prompt":["Compute","12 +"],"max_tokens":5,"seed":1,"return_token_ids":true)";
  const JsonValue whole = post(server, "/v1/completions", body + "}");
  for (size_t i = 0; i < 2; ++i) {
    CHECK(text_of(server, ids_of(choice_of(whole, i).find("prompt_token_ids")))
              .ends_with(i ? "12 +" : "Compute"));
    CHECK(std::ssize(ids_of(choice_of(whole, i).find("token_ids"))) > 0);
  }
  const auto chunks = stream(server, "/v1/completions", body + R"(,"stream":true})");
  for (int64_t i = 0; i < 2; ++i) {
    std::vector<JsonValue> own;
    for (const JsonValue& chunk : chunks) {
      if (choice_of(chunk).find("index")->as_integer()->digits == std::to_string(i)) own.push_back(chunk);
    }
    REQUIRE(!own.empty());
    CHECK(choice_of(own.front()).find("prompt_token_ids"));
    for (size_t k = 1; k < own.size(); ++k) CHECK_FALSE(choice_of(own[k]).find("prompt_token_ids"));
    CHECK(joined(own) == ids_of(choice_of(whole, static_cast<size_t>(i)).find("token_ids")));
  }
}

TEST_CASE("nobody is told ids who did not ask, and a wrong value is named") {
  const TestServer server;
  const Answer plain =
      server.send(TestServer::post("/v1/chat/completions", chat_body("Compute 1 + 2.", 20)), true);
  CHECK(plain.body.find("token_ids") == std::string::npos);
  const Answer wrong = server.send(
      TestServer::post("/v1/chat/completions", chat_body("Compute 1 + 2.", 20, R"(,"return_token_ids":1)")),
      true);
  CHECK(wrong.status == 400);
  CHECK(wrong.body.find("\"param\":\"return_token_ids\"") != std::string::npos);
}

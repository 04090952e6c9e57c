// The inside view over HTTP: the tokens of a conversation, what a layer did with one, and the limits of an
// answer.
#include <doctest/doctest.h>

#include "base/error.h"
#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"
#include "text/python_json.h"

using namespace fathom;
using test::Answer;
using test::TestServer;

namespace {

const std::string kBody =
    R"({"model":"v4-10m","messages":[{"role":"user","content":"Compute 12 + 34."}],"thinking":{"type":"disabled"})";

Answer ask(const TestServer& server, const std::string& more, const std::string& headers = "") {
  return server.send(TestServer::post("/inside", kBody + more + "}", headers), true);
}

int64_t number(const JsonValue& value, const char* name) {
  return std::stoll(value.find(name)->as_integer()->digits);
}

double real(const JsonValue& value) {
  return value.as_float() ? *value.as_float() : std::stod(value.as_integer()->digits);
}

}  // namespace

TEST_CASE("the tokens of a conversation, and a view of each") {
  test::TestServerOptions options;
  options.service.strict_fields = true;
  const TestServer server(options);
  const Answer chat = server.send(
      TestServer::post("/v1/chat/completions", kBody + R"(,"seed":1,"return_token_ids":true})"), true);
  REQUIRE(chat.status == 200);
  const size_t at = chat.body.find("\"token_ids\":") + 12;
  const std::string ids = chat.body.substr(at, chat.body.find(']', at) + 1 - at);
  const Answer listed = ask(server, R"(,"answer_ids":)" + ids);
  CAPTURE(listed.body);
  REQUIRE(listed.status == 200);
  const JsonValue list = parse_json_value(listed.body);
  const JsonValue::Array& tokens = *list.find("tokens")->as_array();
  const int64_t prompt = number(list, "prompt_tokens");
  CHECK(std::ssize(tokens) > prompt);
  std::string text;
  for (const JsonValue& token : tokens) text += *token.find("text")->as_string();
  CHECK(text.find("Compute 12 + 34.") != std::string::npos);
  CHECK(text.find("46", text.find("</think>")) != std::string::npos);

  for (int64_t position = 0; position < std::ssize(tokens); ++position) {
    CAPTURE(position);
    const Answer answer = ask(server, fmt::format(R"(,"answer_ids":{},"position":{})", ids, position));
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    const JsonValue view = parse_json_value(answer.body);
    CHECK(number(view, "position") == position);
    CHECK(*view.find("token") == tokens[static_cast<size_t>(position)]);
    CHECK(number(view, "experts_total") == 16);
    CHECK(number(*view.find("usage"), "completion_tokens") == 0);
    CHECK(number(*view.find("usage"), "prompt_tokens") == position + 1);
    CHECK(view.find("cost"));
    const JsonValue::Array& layers = *view.find("layers")->as_array();
    REQUIRE(layers.size() == 6);
    for (size_t i = 0; i < layers.size(); ++i) {
      CAPTURE(i);
      const JsonValue& layer = layers[i];
      CHECK(*layer.find("kind")->as_string() == (i < 2 ? "swa" : i % 2 == 0 ? "csa" : "hca"));
      CHECK(*layer.find("hash_routing")->as_bool() == (i < 2));
      CHECK(layer.find("experts")->as_array()->size() == 2);
      double sum = real(*layer.find("sink"));
      for (const JsonValue& weight : *layer.find("window")->find("weights")->as_array()) sum += real(weight);
      for (const JsonValue& entry : *layer.find("entries")->as_array()) {
        sum += real(*entry.find("weight"));
        CHECK(static_cast<bool>(entry.find("score")) == (i % 2 == 0));
        const int64_t ratio = number(layer, "ratio"), id = number(entry, "id");
        CHECK(number(entry, "to") == (id + 1) * ratio - 1);
        CHECK(number(entry, "from") == std::max<int64_t>(0, (id + (i % 2 == 0 ? -1 : 0)) * ratio));
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-3));
      CHECK(number(layer, "entries_visible") == (i < 2 ? 0 : (position + 1) / number(layer, "ratio")));
    }
  }
}

TEST_CASE("bodies of the other dialects, and what is refused") {
  const TestServer server;
  const auto status = [&](const std::string& path, const std::string& body) {
    return server.send(TestServer::post(path, body), true).status;
  };
  CHECK(status("/inside", R"({"model":"v4-10m","prompt":"Compute","position":0})") == 200);
  CHECK(status("/inside", R"({"model":"v4-10m","input":"Compute","position":2})") == 200);
  CHECK(status("/inside?as=messages",
               R"({"model":"v4-10m","messages":[{"role":"user","content":"a"}],"position":1})") == 200);
  CHECK(status("/inside", R"({"model":"v4-10m","prompt":["a","b"],"position":0})") == 400);
  CHECK(status("/inside", R"({"model":"none","prompt":"a","position":0})") == 404);
  const std::pair<const char*, const char*> wrong[] = {
      {R"(,"position":-1)", "position"},
      {R"(,"position":1.5)", "position"},
      {R"(,"position":100000)", "position"},
      {R"(,"position":0,"stream":true)", "stream"},
      {R"(,"answer_ids":5)", "answer_ids"},
      {R"(,"answer_ids":[1,"a"])", "answer_ids[1]"},
      {R"(,"answer_ids":[1,99999999999999999999])", "answer_ids[1]"},
      {R"(,"answer_ids":[4096])", "answer_ids[0]"},
  };
  for (const auto& [more, path] : wrong) {
    CAPTURE(more);
    const Answer answer = ask(server, more);
    CAPTURE(answer.body);
    CHECK(answer.status == 400);
    CHECK(answer.body.find(fmt::format("\"param\":\"{}\"", path)) != std::string::npos);
  }
  std::string many = R"(,"answer_ids":[5)";
  for (int i = 0; i < 65'536; ++i) many += ",5";
  CHECK(ask(server, many + "]").status == 400);
  CHECK(server.send(TestServer::get("/inside"), true).status == 405);
  server.check_good();
}

TEST_CASE("a view passes the checks of an answer and is written down as one") {
  const test::TempFolder folder;
  test::TestServerOptions options;
  options.keys = folder.path() / "keys.toml";
  options.ledger = folder.path() / "ledger.sqlite";
  server::KeyEntry entry;
  entry.id = "alice";
  entry.requests_per_minute = 2;
  const std::string key = server::Keys::add(options.keys, entry);
  entry.id = "poor";
  entry.requests_per_minute = 0;
  entry.balance = Picos(0);
  const std::string poor = server::Keys::add(options.keys, entry);
  const TestServer server(options);
  CHECK(ask(server, R"(,"position":0)").status == 401);
  CHECK(ask(server, R"(,"position":0)", "x-api-key: " + poor + "\r\n").status == 402);
  const std::string mine = "x-api-key: " + key + "\r\n";
  CHECK(ask(server, R"(,"position":3)", mine).status == 200);
  CHECK(ask(server, R"(,"position":3)", mine).status == 200);
  CHECK(ask(server, R"(,"position":3)", mine).status == 429);
  const Answer rows = server.send(TestServer::get("/ledger", mine), true);
  CAPTURE(rows.body);
  CHECK(rows.body.find("\"route\":\"/inside\"") != std::string::npos);
}

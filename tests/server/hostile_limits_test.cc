// Hostile input that needs more than a line in tests/http: a context filled to its end, one byte off a key,
// chunks without end, text that is repeated to the client. The numbers are those of the list of hostile
// input.
#include <doctest/doctest.h>

#include "server/service/request_log.h"
#include "tests/server/test_server.h"
#include "tests/support/small_model.h"
#include "tests/support/temp_folder.h"
#include "text/python_json.h"

using namespace fathom;
using test::Answer;
using test::TestServer;

namespace {

constexpr int64_t kContext = 1024;

// Random weights under the bundled model's tokenizer, with a short context.
test::TestServerOptions short_context(test::SmallModel<float>& small) {
  test::TestServerOptions options;
  options.model = small.model;
  return options;
}

std::string ids(int64_t count) {  // with the BOS that is put before them: count + 1
  std::string out = "5";
  for (int64_t i = 1; i < count; ++i) out += ",5";
  return out;
}
std::string completion(const std::string& prompt, const std::string& more = "") {
  return fmt::format(R"({{"model":"v4-10m","prompt":{},"max_tokens":5,"temperature":0{}}})", prompt, more);
}

}  // namespace

TEST_CASE("38, 39: a prompt of the whole context is answered with one token, one more is refused") {
  test::SmallModel<float> small(test::small_config_with({{"\"vocab_size\": 37", "\"vocab_size\": 4096"}}));
  const TestServer server(short_context(small));
  const Answer full =
      server.send(TestServer::post("/v1/completions", completion("[" + ids(kContext - 1) + "]")), true);
  CAPTURE(full.body);
  CHECK(full.status == 200);
  CHECK(full.body.find(fmt::format("\"prompt_tokens\":{},\"completion_tokens\":1,", kContext)) !=
        std::string::npos);
  CHECK(full.body.find(R"("finish_reason":"length")") != std::string::npos);
  const Answer over =
      server.send(TestServer::post("/v1/completions", completion("[" + ids(kContext) + "]")), true);
  CHECK(over.status == 400);
  CHECK(over.body.find(R"("code":"context_length_exceeded")") != std::string::npos);
  CHECK(over.body.find("at most 1024 tokens, found 1025") != std::string::npos);
  // As text, and as messages: as many letters as fit, by the server's own count.
  for (const bool chat : {false, true}) {
    const auto body = [&](int64_t letters) {
      std::string text;
      for (int64_t i = 0; i < letters; ++i) text += "\xE2\x80\xA0";  // three tokens each
      return chat ? test::chat_body(text, 5) : completion(fmt::format("\"{}\"", text));
    };
    const char* path = chat ? "/v1/chat/completions" : "/v1/completions";
    int64_t fits = 0, beyond = kContext;
    while (beyond - fits > 1) {
      const int64_t middle = (fits + beyond) / 2;
      const Answer answer = server.send(TestServer::post(path, body(middle)), true);
      CAPTURE(answer.body);
      CHECK((answer.status == 200 || answer.status == 400));
      if (answer.status == 400) CHECK(answer.body.find("context_length_exceeded") != std::string::npos);
      (answer.status == 200 ? fits : beyond) = middle;
    }
    CHECK(fits > 100);
  }
}

TEST_CASE("76: a key with any one byte changed is not the key") {
  const test::TempFolder folder;
  test::TestServerOptions options;
  options.keys = folder.path() / "keys.toml";
  server::KeyEntry entry;
  entry.id = "k";
  const std::string key = server::Keys::add(options.keys, entry);
  const TestServer server(options);
  const auto ask = [&](const std::string& text) {
    return server.send(TestServer::get("/v1/models", "Authorization: Bearer " + text + "\r\n"), true).status;
  };
  CHECK(ask(key) == 200);
  for (size_t i = 0; i < key.size(); ++i) {
    std::string other = key;
    other[i] = other[i] == 'a' ? 'b' : 'a';
    CHECK(ask(other) == 401);
  }
  CHECK(ask(key.substr(0, key.size() - 1)) == 401);
  CHECK(ask(key + "a") == 401);
}

TEST_CASE("86: chunks of one byte without end are cut off by the body's and the wire's bounds") {
  test::TestServerOptions options;
  options.limits.body = 4096;
  const TestServer server(options);
  const std::string head =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  std::string chunks;
  for (int i = 0; i < 6000; ++i) chunks += "1\r\na\r\n";
  CHECK(server.send(head + chunks, true).status == 413);
  // The data stay below the bound, the bytes on the wire do not.
  std::string padded;
  for (int i = 0; i < 40; ++i) padded += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  CHECK(server.send(head + padded, true).status == 413);
  server.check_good();
}

TEST_CASE("98: what is repeated to a client makes no header and no line of the log") {
  std::mutex mutex;
  std::string log;
  test::TestServerOptions options;
  options.service.log = [&](const server::RequestRecord& record) {
    const std::lock_guard lock(mutex);
    log += server::record_members(record) + "\n";
  };
  const TestServer server(options);
  const std::string body = R"({"model":"a\r\nset-cookie: x","messages":[{"role":"user","content":"a"}]})";
  const Answer answer =
      server.send(TestServer::post("/v1/chat/completions", body, "x-client-request-id: a b\r\n"), true);
  CHECK(answer.status == 404);
  CHECK(answer.field("set-cookie").empty());
  CHECK(answer.body.find('\r') == std::string::npos);
  const Answer split = server.send(
      "GET /health HTTP/1.1\r\nHost: localhost\r\nx-client-request-id: a\rset-cookie: x\r\n\r\n", true);
  CHECK(split.status == 400);
  CHECK(split.field("set-cookie").empty());
  const std::lock_guard lock(mutex);
  CHECK(std::ranges::count(log, '\n') == 2);
  CHECK(log.find('\r') == std::string::npos);
}

// What a key may do, over HTTP: limits by the minute and at once, priorities, requests that come again, and
// the wait in the queue.
#include <doctest/doctest.h>

#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using test::Answer;
using test::chat_body;
using test::TestServer;

namespace {

struct Keyed {
  test::TempFolder folder;
  std::filesystem::path file = folder.path() / "keys.toml";
  std::string add(const std::string& id, const std::function<void(server::KeyEntry&)>& set = {}) const {
    server::KeyEntry entry;
    entry.id = id;
    if (set) set(entry);
    return fmt::format("Authorization: Bearer {}\r\n", server::Keys::add(file, entry));
  }
};

const std::string kChat = "/v1/chat/completions";

}  // namespace

TEST_CASE("requests by the minute: 429 with the wait, and fields that count down") {
  const Keyed keyed;
  const std::string limited = keyed.add("limited", [](auto& k) {
    k.requests_per_minute = 2;
    k.tokens_per_minute = 100'000;
  });
  const std::string free = keyed.add("free");
  test::TestServerOptions options;
  options.keys = keyed.file;
  const TestServer server(options);
  const std::string body = chat_body("Compute 1 + 2.", 2);
  const Answer first = server.send(TestServer::post(kChat, body, limited), true);
  CHECK(first.status == 200);
  CHECK(first.field("x-ratelimit-limit-requests") == "2");
  CHECK(first.field("x-ratelimit-remaining-requests") == "1");
  CHECK(first.field("x-ratelimit-limit-tokens") == "100000");
  CHECK_FALSE(first.field("x-ratelimit-reset-tokens").empty());
  CHECK(server.send(TestServer::post(kChat, "{", limited), true).status == 400);  // it counts
  const Answer refused = server.send(TestServer::post(kChat, body, limited), true);
  CHECK(refused.status == 429);
  CHECK(refused.field("x-ratelimit-remaining-requests") == "0");
  const int64_t wait = std::atoll(refused.field("retry-after").c_str());
  CHECK(wait >= 1);
  CHECK(wait <= 30);
  CHECK(std::atoll(refused.field("retry-after-ms").c_str()) <= wait * 1000);
  CHECK(refused.body.find("\"code\":\"rate_limit_exceeded\"") != std::string::npos);
  const Answer messages = server.send(TestServer::post("/v1/messages", body, limited), true);
  CHECK(messages.status == 429);
  CHECK(messages.field("anthropic-ratelimit-requests-limit") == "2");
  CHECK(messages.body.find("\"type\":\"rate_limit_error\"") != std::string::npos);
  CHECK(server.send(TestServer::get("/v1/models", limited), true).status == 200);
  const Answer other = server.send(TestServer::post(kChat, body, free), true);
  CHECK(other.status == 200);
  CHECK(other.field("x-ratelimit-limit-requests").empty());
}

TEST_CASE("tokens by the minute are those of prompts and answers") {
  const Keyed keyed;
  const std::string key = keyed.add("k", [](auto& k) { k.tokens_per_minute = 20; });
  test::TestServerOptions options;
  options.keys = keyed.file;
  const TestServer server(options);
  const std::string body = chat_body("Compute 1 + 2. Compute 3 + 4. Compute 5 + 6.", 8);
  CHECK(server.send(TestServer::post(kChat, body, key), true).status == 200);
  const Answer refused = server.send(TestServer::post(kChat, body, key), true);
  CHECK(refused.status == 429);
  CHECK(refused.field("x-ratelimit-remaining-tokens") == "0");
}

TEST_CASE("the priority that is granted, and the key's ceiling") {
  const Keyed keyed;
  const std::string high = keyed.add("high");
  const std::string low = keyed.add("low", [](auto& k) { k.priority = Priority::low; });
  test::TestServerOptions options;
  options.keys = keyed.file;
  const TestServer server(options);
  const auto tier = [&](const std::string& headers, const std::string& more) {
    const Answer answer = server.send(TestServer::post(kChat, chat_body("a", 1, more), headers), true);
    const size_t at = answer.body.find("\"service_tier\":\"");
    return at == std::string::npos ? answer.body
                                   : answer.body.substr(at + 16, answer.body.find('"', at + 16) - at - 16);
  };
  CHECK(tier(high, "") == "default");
  CHECK(tier(high, R"(,"service_tier":"priority")") == "priority");
  CHECK(tier(high, R"(,"service_tier":"flex")") == "flex");
  CHECK(tier(high, R"(,"service_tier":"scale")") == "default");
  CHECK(tier(high + "x-fathom-priority: low\r\n", R"(,"service_tier":"priority")") == "flex");
  CHECK(tier(low, R"(,"service_tier":"priority")") == "flex");
  CHECK(tier(low + "x-fathom-priority: high\r\n", "") == "flex");
  const Answer bad =
      server.send(TestServer::post(kChat, chat_body("a", 1), high + "x-fathom-priority: top\r\n"), true);
  CHECK(bad.status == 400);
  CHECK(bad.body.find("\"param\":\"x-fathom-priority\"") != std::string::npos);
}

TEST_CASE("the same Idempotency-Key gets the same answer, once made") {
  const Keyed keyed;
  const std::string alice = keyed.add("alice"), bob = keyed.add("bob");
  test::TestServerOptions options;
  options.keys = keyed.file;
  options.ledger = keyed.folder.path() / "ledger.sqlite";
  const TestServer server(options);
  const std::string name = "Idempotency-Key: a-1\r\n";
  for (const char* more : {"", R"(,"stream":true)"}) {
    CAPTURE(more);
    const std::string body = chat_body("Compute 12 + 34.", 12, more);
    const std::string own = fmt::format("Idempotency-Key: {}\r\n", *more ? "s" : "w");
    const Answer first = server.send(TestServer::post(kChat, body, alice + own), true);
    const Answer again = server.send(TestServer::post(kChat, body, alice + own), true);
    CHECK(first.status == 200);
    CHECK(again.status == 200);
    CHECK(first.body == again.body);
    CHECK(first.field("x-request-id") != again.field("x-request-id"));
    const Answer others = server.send(TestServer::post(kChat, body, bob + own), true);
    CHECK(others.body != first.body);
  }
  const Answer rows = server.send(TestServer::get("/ledger", alice), true);
  size_t count = 0;
  for (size_t at = rows.body.find("\"request_id\""); at != std::string::npos;
       at = rows.body.find("\"request_id\"", at + 1))
    ++count;
  CHECK(count == 2);
  const Answer mismatch =
      server.send(TestServer::post(kChat, chat_body("another", 2), alice + "Idempotency-Key: w\r\n"), true);
  CHECK(mismatch.status == 422);
  CHECK(mismatch.body.find("\"code\":\"idempotency_mismatch\"") != std::string::npos);
  // A request that was refused is none that could be repeated.
  CHECK(server.send(TestServer::post(kChat, "{}", alice + name), true).status == 400);
  CHECK(server.send(TestServer::post(kChat, chat_body("a", 1), alice + name), true).status == 200);
  CHECK(server.send(TestServer::post(kChat, "{}", alice + "Idempotency-Key: a b\r\n"), true).status == 400);
}

TEST_CASE("a client that is lost and comes again joins its running answer") {
  test::TestServerOptions options;
  const TestServer server(options);
  const std::string request = TestServer::post(kChat, chat_body("Sort: 5 3 9 1", 400, R"(,"stream":true)"),
                                               "Idempotency-Key: lost\r\n");
  const int fd = server.connect();
  TestServer::write(fd, request);
  char byte = 0;
  REQUIRE(recv(fd, &byte, 1, 0) == 1);
  ::close(fd);
  const Answer again = server.send(request, true);
  CHECK(again.status == 200);
  CHECK(again.body.find("\"role\":\"assistant\"") != std::string::npos);
  CHECK(again.body.find("[DONE]") != std::string::npos);
}

TEST_CASE("a request that waits too long in the queue is told so") {
  test::TestServerOptions options;
  options.engine.scheduler.queue_seconds = 1e-9;
  const TestServer server(options);
  const Answer whole = server.send(TestServer::post(kChat, chat_body("a", 1)), true);
  CHECK(whole.status == 408);
  CHECK(whole.body.find("\"code\":\"queue_timeout\"") != std::string::npos);
  CHECK(whole.body.find("\"type\":\"timeout_error\"") != std::string::npos);
  const Answer stream = server.send(TestServer::post(kChat, chat_body("a", 1, R"(,"stream":true)")), true);
  CHECK(stream.status == 200);
  CHECK(stream.body.find("\"code\":\"queue_timeout\"") != std::string::npos);
  CHECK(stream.body.find("[DONE]") == std::string::npos);
}

TEST_CASE("an answer that takes too long is cut, and says so") {
  test::TestServerOptions options;
  options.engine.scheduler.answer_seconds = 1e-9;
  const TestServer server(options);
  const Answer cut = server.send(TestServer::post(kChat, chat_body("a", 50)), true);
  CHECK(cut.status == 200);
  CHECK(cut.body.find("\"finish_reason\":\"insufficient_system_resource\"") != std::string::npos);
  CHECK(cut.body.find("\"stop_detail\":\"time\"") != std::string::npos);
}

TEST_CASE("in Messages, which has no reason for such an end, it is an error") {
  test::TestServerOptions options;
  options.engine.scheduler.answer_seconds = 1e-9;
  const TestServer server(options);
  const auto ask = [&](const char* more) {
    return server.send(TestServer::post("/v1/messages", chat_body("a", 50, more)), true);
  };
  const Answer whole = ask("");
  CHECK(whole.status == 503);
  CHECK(whole.body.find("\"type\":\"overloaded_error\"") != std::string::npos);
  CHECK(whole.body.find("the time that an answer may take is over") != std::string::npos);
  const Answer stream = ask(R"(,"stream":true)");
  CHECK(stream.status == 200);
  CHECK(stream.body.find("event: message_start\n") != std::string::npos);
  const size_t at = stream.body.find("event: error\ndata: ");
  REQUIRE(at != std::string::npos);
  CHECK(stream.body.find("\"type\":\"overloaded_error\"", at) != std::string::npos);
  CHECK(stream.body.find("\"request_id\":\"req_", at) != std::string::npos);
  CHECK(stream.body.find("stop_reason\":\"", at) == std::string::npos);
  CHECK(stream.body.find("message_stop") == std::string::npos);
}

// Clients that are slow, silent or gone, and many at once (8.2 of the API's list: 88 to 91, 99, 101, 102),
// with short times: nobody else notices, and nothing is left behind.
#include <doctest/doctest.h>
#include <poll.h>

#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using namespace std::chrono_literals;
using test::Answer;
using test::chat_body;
using test::eventually;
using test::TestServer;

namespace {

const std::string kChat = "/v1/chat/completions";
const std::string kStream = R"(,"stream":true)";

bool nothing_runs(const TestServer& server) {
  return eventually(
      [&] { return server.service().idle() && server.stats().running == 0 && server.stats().kv_bytes == 0; });
}

// A head that never ends, or a body that does not come.
const std::string kHalfHead = "GET /health HTTP/1.1\r\nHost: loc";
const std::string kHalfBody =
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: 1000\r\n\r\n{\"model\"";

}  // namespace

TEST_CASE("heads and bodies that do not come are answered with 408 and closed; silence is closed") {
  test::TestServerOptions options;
  options.limits.head_time = 200ms;
  options.limits.body_grace = 200ms;
  options.limits.body_rate = 1'000'000;
  options.limits.idle_time = 300ms;
  const TestServer server(options);
  std::vector<int> heads, bodies, silent;
  for (int i = 0; i < 100; ++i) {
    heads.push_back(server.connect());
    TestServer::write(heads.back(), kHalfHead);
    bodies.push_back(server.connect());
    TestServer::write(bodies.back(), kHalfBody);
    silent.push_back(server.connect());
  }
  server.check_good();
  for (const auto* list : {&heads, &bodies}) {
    for (const int fd : *list) {
      const Answer answer = TestServer::read(fd, true);
      CHECK(answer.status == 408);
      CHECK(answer.closed);
      CHECK(answer.body.find("\"code\":\"request_timeout\"") != std::string::npos);
    }
  }
  for (const int fd : silent) {
    const Answer answer = TestServer::read(fd, true);
    CHECK(answer.status == 0);
    CHECK(answer.closed);
  }
  CHECK(eventually([&] { return server.connections() == 0; }));
  server.check_good();
}

TEST_CASE("a byte now and then does not keep a head open") {
  test::TestServerOptions options;
  options.limits.head_time = 300ms;
  const TestServer server(options);
  const int fd = server.connect();
  bool cut = false;
  for (int i = 0; i < 200 && !cut; ++i) {
    cut = ::send(fd, "x", 1, MSG_NOSIGNAL) != 1;
    pollfd wait{fd, POLLIN, 0};
    cut = cut || poll(&wait, 1, 50) == 1;
  }
  CHECK(cut);
  CHECK(TestServer::read(fd, true).status == 408);
  server.check_good();
}

TEST_CASE("who stops reading a stream is closed in the end, others are served meanwhile") {
  test::TestServerOptions options;
  options.limits.write_time = 500ms;
  const TestServer server(options);
  const int small = 4096;
  std::vector<int> stuck;
  for (int i = 0; i < 8; ++i) {
    const int fd = server.connect();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    TestServer::write(fd,
                      TestServer::post(kChat, chat_body("Sort: 9 8 7", 20'000,
                                                        kStream + R"(,"logit_bias":{"0":-100,"1":-100},)"
                                                                  R"("logprobs":true,"top_logprobs":20)")));
    stuck.push_back(fd);
  }
  for (int i = 0; i < 5; ++i)
    CHECK(server.send(TestServer::post(kChat, chat_body("Compute 1 + 2.", 4)), true).status == 200);
  CHECK(eventually([&] { return server.connections() == 0; }, 60));
  CHECK(nothing_runs(server));
  for (const int fd : stuck) ::close(fd);
  server.check_good();
}

TEST_CASE("clients that go in the body, the queue, the prompt or the answer leave nothing behind") {
  const test::TempFolder folder;
  test::TestServerOptions options;
  options.ledger = folder.path() / "ledger.sqlite";
  options.engine.scheduler.max_sequences = 4;  // the others wait
  options.engine.scheduler.prompt_chunk = 8;
  const TestServer server(options);
  std::string words = "Sort:";
  for (int i = 0; i < 400; ++i) words += fmt::format(" {}", i);
  const std::string request = TestServer::post(kChat, chat_body(words, 2000, kStream));
  for (int i = 0; i < 300; ++i) {
    const int fd = server.connect();
    if (i % 4 == 0) {
      TestServer::write(fd, request.substr(0, request.size() - static_cast<size_t>(i) - 1));
    } else {
      TestServer::write(fd, request);
      if (i % 4 == 2) std::this_thread::sleep_for(2ms);
      char byte = 0;
      if (i % 4 == 3) (void)recv(fd, &byte, 1, 0);
    }
    ::close(fd);
  }
  CHECK(nothing_runs(server));
  CHECK(eventually([&] { return server.connections() == 0; }));
  const auto queued = server.stats().queued;
  for (const int64_t count : queued) CHECK(count == 0);
  const Answer rows = server.send(TestServer::get("/ledger?status=running&limit=1000"), true);
  CHECK(rows.status == 200);
  CHECK(rows.body.find("\"data\":[]") != std::string::npos);
  server.check_good();
}

TEST_CASE(
    "many requests of one key at once: its limit is served, the rest are told to wait, others are not") {
  const test::TempFolder folder;
  const auto file = folder.path() / "keys.toml";
  server::KeyEntry entry;
  entry.id = "many";
  entry.concurrency = 8;
  const std::string many = fmt::format("Authorization: Bearer {}\r\n", server::Keys::add(file, entry));
  entry = {};
  entry.id = "other";
  const std::string other = fmt::format("Authorization: Bearer {}\r\n", server::Keys::add(file, entry));
  test::TestServerOptions options;
  options.keys = file;
  const TestServer server(options);
  const std::string request = TestServer::post(kChat, chat_body("Sort: 3 1 2", 40), many);
  std::vector<int> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(server.connect(30));
    TestServer::write(clients.back(), request);
  }
  CHECK(server.send(TestServer::post(kChat, chat_body("Compute 1 + 2.", 4), other), true).status == 200);
  int64_t served = 0, refused = 0;
  for (const int fd : clients) {
    const Answer answer = TestServer::read(fd, true);
    served += answer.status == 200;
    refused += answer.status == 429 && !answer.field("retry-after").empty();
  }
  CHECK(served >= 8);
  CHECK(served + refused == 200);
}

TEST_CASE("at the end running streams may finish, and new requests are refused") {
  const TestServer server;
  std::vector<int> streams;
  const std::string request = TestServer::post(kChat, chat_body("Sort: 3 1 2", 60, kStream));
  for (int i = 0; i < 20; ++i) {
    streams.push_back(server.connect(30));
    TestServer::write(streams.back(), request);
    char byte = 0;
    REQUIRE(recv(streams.back(), &byte, 1, MSG_PEEK) == 1);
  }
  server.service().drain();
  CHECK(server.send(TestServer::post(kChat, chat_body("a", 1)), true).status == 503);
  for (const int fd : streams) {
    const Answer answer = TestServer::read(fd, true);
    CHECK(answer.status == 200);
    CHECK(answer.body.find("[DONE]") != std::string::npos);
  }
  CHECK(nothing_runs(server));
}

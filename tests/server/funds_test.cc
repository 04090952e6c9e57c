// Keys that run out of money in mid-answer: answers end, and nobody spends more than there is.
#include "server/service/funds.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using nlohmann::json;
using server::KeyFunds;
using test::TestServer;

namespace {

// 0.001 for each token, whatever its kind.
PriceList plain_prices(const test::TempFolder& folder) {
  return PriceList(folder
                       .write("plain.json", R"({"currency": "EUR", "models": {
    "default": {"hit": 1000, "miss": 1000, "output": 1000}}})")
                       .string());
}

// Answers do not end by themselves: their ends are banned.
std::string long_chat(int number, int64_t max_tokens, const std::string& more = "") {
  return test::chat_body(fmt::format("Tell me of {}.", number), max_tokens,
                         R"(,"logit_bias":{"0":-100,"1":-100})" + more);
}

struct Bank {
  test::TempFolder folder;
  test::TestServerOptions options;
  std::string bearer;
  explicit Bank(double balance) {
    options.ledger = folder.path() / "ledger.sqlite";
    options.keys = folder.path() / "keys.toml";
    options.service.prices = plain_prices(folder);
    server::KeyEntry entry;
    entry.id = "alice";
    entry.balance = server::to_picos(balance);
    bearer = "Authorization: Bearer " + server::Keys::add(options.keys, entry) + "\r\n";
  }
  std::string request(const std::string& body, const std::string& path = "/v1/chat/completions") const {
    return TestServer::post(path, body, bearer);
  }
  server::LedgerBalance booked() const {
    const server::Database db(options.ledger, server::Database::Mode::read_only, "ledger");
    CHECK_NOTHROW(server::check_ledger(db));
    return server::ledger_balance(db, "alice");
  }
};

}  // namespace

TEST_CASE("an answer ends with the balance, and what was written is paid") {
  const Bank bank(0.05);  // 50 tokens
  const TestServer server(bank.options);
  const auto answer = server.send(bank.request(long_chat(1, 200)), true);
  REQUIRE(answer.status == 200);
  const json body = json::parse(answer.body);
  CHECK(body.at("choices").at(0).at("finish_reason") == "insufficient_system_resource");
  CHECK(body.at("fathom").at("stop_detail") == "balance");
  CHECK(body.at("usage").at("total_tokens") == 50);
  CHECK(body.at("cost").at("total") == 0.05);
  CHECK(test::eventually([&] { return bank.booked().spent == server::to_picos(0.05); }));
  CHECK(server.send(bank.request(long_chat(2, 1)), true).status == 402);

  server::add_credit(bank.options.ledger, "alice", server::to_picos(0.03));
  const auto more = server.send(
      bank.request(long_chat(3, 200, R"(,"stream":true,"stream_options":{"include_usage":true})")), true);
  CHECK(more.status == 200);
  CHECK(more.body.find("\"finish_reason\":\"insufficient_system_resource\"") != std::string::npos);
  CHECK(more.body.find("\"total_tokens\":30,") != std::string::npos);
  CHECK(more.body.find("[DONE]") != std::string::npos);
  CHECK(test::eventually([&] { return bank.booked().spent == server::to_picos(0.08); }));
}

TEST_CASE("answers at once share what there is, to the last token") {
  const Bank bank(0.3);  // 300 tokens
  const TestServer server(bank.options);
  std::vector<std::thread> clients;
  std::mutex mutex;
  int64_t tokens = 0, refused = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      const auto answer = server.send(bank.request(long_chat(i, 1000)), true);
      const json body = json::parse(answer.body);
      const std::lock_guard lock(mutex);
      if (answer.status == 200) {
        tokens += body.at("usage").at("total_tokens").get<int64_t>();
      } else {
        ++refused;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(refused < 8);
  CHECK(tokens <= 300);
  CHECK(tokens >= 280);  // no more than a prompt can be left over
  CHECK(test::eventually([&] { return bank.booked().running == 0; }));
  CHECK(bank.booked().spent == tokens * server::to_picos(0.001));
}

TEST_CASE("an answer that ends by itself leaves the rest") {
  const Bank bank(1);
  const TestServer server(bank.options);
  const auto answer = server.send(bank.request(long_chat(1, 5)), true);
  const json body = json::parse(answer.body);
  CHECK(body.at("choices").at(0).at("finish_reason") == "length");
  const auto total = body.at("usage").at("total_tokens").get<int64_t>();
  const auto balance = json::parse(server.send(TestServer::get("/user/balance", bank.bearer), true).body);
  CHECK(balance.at("balance_infos").at(0).at("total_balance") ==
        fmt::format("{:.3f}", 1 - 0.001 * static_cast<double>(total)));
}

TEST_CASE("funds: what is booked while it is read counts once") {
  KeyFunds funds;
  funds.refresh([] { return Picos{100}; });
  CHECK_FALSE(funds.admit(101, [] { FAIL("nothing to book"); }));
  int64_t booked = 0;
  CHECK(funds.admit(40, [&] { ++booked; }));
  CHECK(booked == 1);
  CHECK(funds.take(60));
  CHECK_FALSE(funds.take(1));
  CHECK(funds.take(-10));  // a cached prompt
  CHECK(funds.take(10));
  int reads = 0;
  funds.refresh([&] {  // the answer ends between the reading and its use: read again
    if (++reads == 1) funds.end(100, 40, 90, [] {});
    return reads == 1 ? Picos{60} : Picos{10};
  });
  CHECK(reads == 2);
  CHECK(funds.take(10));
  CHECK_FALSE(funds.take(1));
}

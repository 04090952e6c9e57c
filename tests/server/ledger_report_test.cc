// What a ledger says of its rows, while a server writes it and after one was killed.
#include "server/service/ledger_report.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "server/service/ledger.h"
#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using server::Database;
using server::JobReport;
using server::Ledger;
using server::LedgerGrouping;

namespace {

JobReport report(const std::string& id, const std::string& key, const std::string& model, int64_t created,
                 Picos total, const std::string& status = "ok") {
  JobReport r;
  r.request_hex = id;
  r.key = key;
  r.model = model;
  r.route = "/v1/chat/completions";
  r.status = status;
  r.created = created;
  r.stats.prompt_tokens = 10;
  r.stats.completion_tokens = 2;
  r.price.input = total;
  r.price.total = total;
  return r;
}

constexpr int64_t kDay = 86'400, kBegin = 1'795'564'800;  // 2026-11-25 00:00 UTC

}  // namespace

TEST_CASE("sums by key, day and model") {
  const test::TempFolder folder;
  const auto path = folder.path() / "ledger.sqlite";
  Ledger ledger(path, "EUR");
  for (const JobReport& r :
       {report("a1", "alice", "flash", kBegin, 5), report("a2", "alice", "pro", kBegin + kDay - 1, 7),
        report("a3", "alice", "pro", kBegin + kDay, 11, "error"), report("b1", "bob", "pro", kBegin, 100)}) {
    ledger.begin(r);
    ledger.finish(r);
  }
  ledger.begin(report("b2", "bob", "pro", kBegin + 2 * kDay, 1000));

  const Database db(path, Database::Mode::read_only, "ledger");  // beside the server
  const std::vector<LedgerGrouping> by = {LedgerGrouping::key, LedgerGrouping::day};
  const auto sums = server::ledger_sums(db, {}, by);
  REQUIRE(sums.size() == 4);
  CHECK(sums[0].groups == std::vector<std::string>{"alice", "2026-11-25"});
  CHECK(sums[0].requests == 2);
  CHECK(sums[0].price.total == 12);
  CHECK(sums[0].stats.prompt_tokens == 20);
  CHECK(sums[0].stats.completion_tokens == 4);
  CHECK(sums[1].groups == std::vector<std::string>{"alice", "2026-11-26"});
  CHECK(sums[1].failed == 1);
  CHECK(sums[3].groups == std::vector<std::string>{"bob", "2026-11-27"});
  CHECK(sums[3].running == 1);
  CHECK(sums[3].price.total == 1000);

  server::LedgerQuery query;
  query.since = kBegin + 1;
  query.until = kBegin + kDay + 1;
  const auto all = server::ledger_sums(db, query, {});
  REQUIRE(all.size() == 1);
  CHECK(all[0].requests == 2);
  CHECK(all[0].price.total == 18);
  query.model = "nobody";
  CHECK(server::ledger_sums(db, query, {}).at(0).requests == 0);
  CHECK(server::ledger_sums(db, query, by).empty());

  CHECK(server::ledger_currency(db) == "EUR");
  CHECK_NOTHROW(server::check_ledger(db));
  const server::LedgerBalance bob = server::ledger_balance(db, "bob");
  CHECK(bob.spent == 100);
  CHECK(bob.running == 1000);
  CHECK_FALSE(bob.has_credits);
  CHECK(ledger.sums({}, by).size() == 4);
}

TEST_CASE("a ledger has one currency and one server") {
  const test::TempFolder folder;
  const auto path = folder.path() / "ledger.sqlite";
  {
    Ledger ledger(path, "EUR");
    CHECK_THROWS_WITH_AS(Ledger(path, "EUR"), doctest::Contains("no server uses"), Error);
  }
  {
    Ledger ledger(path, "USD");  // it has no rows yet
    ledger.begin(report("a1", "alice", "m", kBegin, 5));
  }
  CHECK_THROWS_WITH_AS(Ledger(path, "EUR"), doctest::Contains("expected prices in USD"), Error);
  CHECK_NOTHROW(Ledger(path, "USD"));
  CHECK_THROWS_AS(Database(folder.path() / "none", Database::Mode::read_only, "ledger"), Error);
}

TEST_CASE("after kill -9 every row that was told is there, and its charge is exact") {
  const test::TempFolder folder;
  const auto path = folder.path() / "ledger.sqlite";
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    int told[2];
    REQUIRE(pipe(told) == 0);
    const pid_t child = fork();
    if (child == 0) {
      close(told[0]);
      try {
        Ledger ledger(path);
        for (int i = 0;; ++i) {
          const JobReport r = report(fmt::format("r{}-{:06}", round, i), "k", "m", kBegin, 3);
          ledger.begin(r);
          if (write(told[1], "b", 1) != 1) _exit(0);
          if (i % 3 != 0) ledger.finish(r);
        }
      } catch (...) {
        _exit(1);
      }
    }
    close(told[1]);
    int64_t begun = 0;
    char letter;
    while (begun < 20 && read(told[0], &letter, 1) == 1) ++begun;
    kill(child, SIGKILL);
    while (read(told[0], &letter, 1) == 1) ++begun;
    close(told[0]);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(begun >= 20);
    const Database db(path, Database::Mode::read_only, "ledger");
    server::LedgerQuery query;
    query.limit = 1'000'000;
    int64_t rows = 0;
    for (const server::LedgerRow& row : server::ledger_rows(db, query))
      rows += row.report.request_hex.starts_with(fmt::format("r{}-", round)) ? 1 : 0;
    CHECK(rows >= begun);  // one more may be on disk than was told
    CHECK_NOTHROW(server::check_ledger(db));
    const server::LedgerBalance balance = server::ledger_balance(db, "k");
    CHECK(balance.spent + balance.running == server::ledger_sums(db, {}, {}).at(0).price.total);
  }
  const Ledger ledger(path);
  const server::LedgerBalance balance = ledger.balance("k");
  CHECK(balance.running == 0);
  CHECK(balance.spent == ledger.sums({}, {}).at(0).price.total);
}

TEST_CASE("a credit counts at once, and the route groups") {
  const test::TempFolder folder;
  const auto path = folder.path() / "ledger.sqlite";
  test::TestServerOptions options;
  options.ledger = path;
  options.keys = folder.path() / "keys.toml";
  server::KeyEntry entry;
  entry.id = "alice";
  entry.balance = 0;
  const std::string bearer = "Authorization: Bearer " + server::Keys::add(options.keys, entry) + "\r\n";
  const test::TestServer server(options);
  const auto ask = [&] {
    return server.send(test::TestServer::post("/v1/chat/completions", test::chat_body("Hi.", 2), bearer),
                       true);
  };
  CHECK(ask().status == 402);
  server::add_credit(path, "alice", server::to_picos(2));
  CHECK(ask().status == 200);
  const auto get = [&](const std::string& target) {
    return nlohmann::json::parse(server.send(test::TestServer::get(target, bearer), true).body);
  };
  CHECK(test::eventually([&] { return get("/ledger?status=ok").at("data").size() == 1; }));
  const auto groups = get("/ledger?group=model");
  CHECK(groups.at("data").at(0).at("model") == "v4-10m");
  CHECK(groups.at("data").at(0).at("requests") == 1);
  CHECK(get("/ledger?group=nothing").at("error").at("param") == "group");
  const std::string left = get("/user/balance").at("balance_infos").at(0).at("total_balance");
  CHECK(left.starts_with("1.9999"));
  server::add_credit(path, "alice", -server::to_picos(2));
  CHECK(ask().status == 402);
}

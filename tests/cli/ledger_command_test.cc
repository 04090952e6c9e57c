// fathom ledger: reports of a ledger as table, CSV and JSON.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/ledger_table.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using nlohmann::json;

namespace {

void add(server::Ledger& ledger, const std::string& id, const std::string& key, int64_t created,
         Picos total) {
  server::JobReport r;
  r.request_hex = id;
  r.key = key;
  r.model = "m";
  r.route = "/v1/messages";
  r.user = "a,\"b\"\n";
  r.status = "ok";
  r.created = created;
  r.stats.prompt_tokens = 10;
  r.stats.completion_tokens = 2;
  r.price.total = total;
  ledger.begin(r);
  ledger.finish(r);
}

}  // namespace

TEST_CASE("reports") {
  const test::TempFolder folder;
  const std::string path = (folder.path() / "ledger.sqlite").string();
  {
    server::Ledger ledger(path, "EUR");
    add(ledger, "a1", "alice", 1'795'564'800, 1'500'000'000'000);  // 2026-11-25
    add(ledger, "a2", "alice", 1'795'651'200, 250'000'000'000);
    add(ledger, "b1", "bob", 1'795'651'200, 1);
  }
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"ledger", path});
    test::Finished finished = test::run_fathom(std::move(more));
    CHECK_MESSAGE(finished.status == 0, finished.err);
    return finished;
  };
  const test::Finished plain = run({});
  CHECK(plain.status == 0);
  CHECK(plain.out.find("alice") != std::string::npos);
  CHECK(plain.out.find(" 1.75\n") != std::string::npos);
  CHECK(plain.out.find(" 1.750000000001\n") != std::string::npos);
  CHECK(plain.out.find("total") != std::string::npos);

  const test::Finished days = run({"--by", "day,key", "--json", "--check"});
  const json document = json::parse(days.out);
  CHECK(document.at("currency") == "EUR");
  REQUIRE(document.at("groups").size() == 3);
  CHECK(document.at("groups").at(1).at("day") == "2026-11-26");
  CHECK(document.at("groups").at(1).at("key") == "alice");
  CHECK(days.out.find("\"cost\":0.000000000001") != std::string::npos);
  CHECK(document.at("totals").at("requests") == 3);

  const json later = json::parse(run({"--since", "2026-11-26", "--key", "alice", "--json"}).out);
  CHECK(later.at("totals").at("cost") == 0.25);
  const json none = json::parse(run({"--until", "2026-11-24T00:00:00Z", "--json"}).out);
  CHECK(none.at("groups").empty());

  const test::Finished csv = run({"--rows", "--csv", "--limit", "2"});
  CHECK(csv.out.starts_with("request_id,created,"));
  CHECK(csv.out.find("req_b1,2026-11-26T00:00:00Z,") != std::string::npos);
  CHECK(csv.out.find(",bob,\"a,\"\"b\"\"\n\",/v1/messages,m,ok,200,10,0,2,0,") != std::string::npos);
  CHECK(csv.out.find("req_a1") == std::string::npos);

  server::KeyEntry entry;
  entry.id = "carol";
  entry.balance = server::to_picos(3);
  entry.concurrency = 4;
  const std::string keys = (folder.path() / "keys.toml").string();
  (void)server::Keys::add(keys, entry);
  const json balances = json::parse(run({"--balances", "--keys", keys, "--json"}).out);
  REQUIRE(balances.at("keys").size() == 3);
  CHECK(balances.at("keys").at(0).at("spent") == 1.75);
  CHECK(balances.at("keys").at(0).at("left").is_null());
  CHECK(balances.at("keys").at(2).at("left") == 3);
  CHECK(balances.at("keys").at(2).at("concurrency") == 4);
  const json credit = json::parse(run({"--credit", "alice=5.5", "--json"}).out);
  REQUIRE(credit.at("keys").size() == 1);
  CHECK(credit.at("keys").at(0).at("credits") == 5.5);
  CHECK(credit.at("keys").at(0).at("left") == 3.75);
  CHECK(json::parse(run({"--credit", "alice=-1", "--json"}).out).at("keys").at(0).at("left") == 2.75);
}

TEST_CASE("what is no report is named") {
  const test::TempFolder folder;
  const std::string none = (folder.path() / "none.sqlite").string();
  const auto failed = [](const test::Finished& run, const char* part) {
    CAPTURE(run.err);
    CHECK(run.status != 0);
    CHECK(run.err.find(part) != std::string::npos);
  };
  failed(test::run_fathom({"ledger", none}), "expected a ledger");
  failed(test::run_fathom({"ledger", none, "--credit", "a=1"}), "expected a ledger");
  const std::string other = folder.write("other", std::string(8192, 'x')).string();
  failed(test::run_fathom({"ledger", other}), "other");
  for (const char* credit : {"alice", "=1", "a=", "a=x", "a=1e9", "a=nan"})
    failed(test::run_fathom({"ledger", other, "--credit", credit}), "--credit: expected KEY=AMOUNT");
  failed(test::run_fathom({"ledger", other, "--by", "hour"}), "--by");
  for (const char* time :
       {"", "yesterday", "2026-13-01", "2026-02-30", "2026-11-25T25:00:00Z", "-5", "1960-01-01"}) {
    CAPTURE(time);
    CHECK_THROWS_AS((void)cli::ledger_time(time, "--since"), Error);
  }
  CHECK(cli::ledger_time("2026-11-25", "--since") == 1'795'564'800);
  CHECK(cli::ledger_time("2026-11-25T00:00:01Z", "--since") == 1'795'564'801);
  CHECK(cli::ledger_time("17", "--since") == 17);
}

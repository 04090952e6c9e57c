// Keys and the ledger: who may ask, and what it cost, exact after a process ends in mid-answer.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using server::JobReport;
using server::Keys;
using server::Ledger;

namespace {

server::KeyEntry named(const std::string& id) {
  server::KeyEntry entry;
  entry.id = id;
  return entry;
}

JobReport report(const std::string& id, const std::string& key, Picos total) {
  JobReport r;
  r.request_hex = id;
  r.key = key;
  r.model = "m";
  r.route = "/v1/chat/completions";
  r.status = "ok";
  r.created = 1000;
  r.stats.prompt_tokens = 10;
  r.price.total = total;
  return r;
}

}  // namespace

TEST_CASE("keys are found by their hash and kept nowhere else") {
  const test::TempFolder folder;
  const auto path = folder.path() / "keys.toml";
  const std::string alice = Keys::add(path, named("alice"));
  const std::string bob = Keys::add(path, named("bob"));
  CHECK(alice != bob);
  const std::string text = test::read_file(path);
  CHECK(text.find(alice) == std::string::npos);
  CHECK(text.find(alice.substr(3)) == std::string::npos);
  const auto keys = Keys::open(path);
  REQUIRE(keys->find(alice));
  CHECK(keys->find(alice)->id == "alice");
  CHECK(keys->find(bob)->id == "bob");
  CHECK(keys->find(alice)->inference);
  CHECK_FALSE(keys->find(alice)->admin);
  CHECK(keys->find(alice.substr(0, alice.size() - 1)) == nullptr);
  CHECK(keys->find("") == nullptr);
  CHECK_THROWS_AS(Keys::add(path, named("alice")), Error);
  CHECK_THROWS_AS(Keys::add(path, named("a\nb")), Error);
}

TEST_CASE("what a key may do is written as it is read") {
  const test::TempFolder folder;
  const auto path = folder.path() / "keys.toml";
  server::KeyEntry entry = named("carol");
  entry.metrics = true;
  entry.models = {"a", "b-c"};
  entry.concurrency = 3;
  entry.requests_per_minute = 20;
  entry.tokens_per_minute = 90'000;
  entry.priority = Priority::low;
  entry.balance = server::to_picos(12.5);
  Keys::add(path, named("plain"));
  const std::string key = Keys::add(path, entry);
  const auto keys = Keys::open(path);
  const server::KeyEntry* read_back = keys->find(key);
  REQUIRE(read_back);
  CHECK(read_back->inference);
  CHECK(read_back->metrics);
  CHECK_FALSE(read_back->admin);
  CHECK(read_back->models == entry.models);
  CHECK(read_back->concurrency == 3);
  CHECK(read_back->requests_per_minute == 20);
  CHECK(read_back->tokens_per_minute == 90'000);
  CHECK(read_back->priority == Priority::low);
  CHECK(read_back->balance == entry.balance);
  CHECK(keys->entries().at(0).priority == Priority::high);
  CHECK(keys->entries().at(0).requests_per_minute == 0);
  entry.id = "dave";
  entry.models = {"a\"]\nadmin = [\""};
  CHECK_THROWS_AS(Keys::add(path, entry), Error);
}

TEST_CASE("key files that are no good name the field") {
  const test::TempFolder folder;
  const auto path = folder.path() / "keys.toml";
  const std::string salt = "salt = \"" + std::string(64, '0') + "\"\n";
  const std::string hash = "hash = \"" + std::string(64, '1') + "\"\n";
  const std::string entry = fmt::format("{}[[key]]\nid = \"a\"\n{}", salt, hash);
  std::vector<std::string> all = {"salt =", "salt = \"00\"\n",
                                  fmt::format("{}[[key]]\nid = \"a\"\nhash = \"xyz\"\n", salt),
                                  fmt::format("{}[[key]]\n{}", salt, hash)};
  for (const char* line : {"scopes = [\"all\"]", "balance = -1", "requests_per_minute = 0",
                           "tokens_per_minute = \"many\"", "priority = \"top\"", "request_per_minute = 5"})
    all.push_back(fmt::format("{}{}\n", entry, line));
  for (const std::string& bad : all) {
    CAPTURE(bad);
    std::ofstream(path) << bad;
    CHECK_THROWS_AS(Keys::open(path), Error);
  }
  std::ofstream(path)
      << salt << "[[key]]\nid = \"a\"\n"
      << hash << "scopes = [\"inference\", \"admin\"]\nmodels = [\"m\"]\nconcurrency = 2\nbalance = 1.25\n";
  const auto keys = Keys::open(path);
  CHECK(keys->entries().at(0).admin);
  CHECK(keys->entries().at(0).concurrency == 2);
  CHECK(keys->entries().at(0).balance.value_or(0) == 1'250'000'000'000);
}

TEST_CASE("the ledger charges once, and settles what was cut off") {
  const test::TempFolder folder;
  const auto path = folder.path() / "ledger.sqlite";
  {
    Ledger ledger(path);
    ledger.begin(report("a1", "alice", 5));
    CHECK(ledger.spent("alice") == 5);  // the prompt, while it runs
    JobReport done = report("a1", "alice", 12);
    done.stats.completion_tokens = 3;
    ledger.finish(done);
    ledger.finish(done);                     // a second time changes nothing
    ledger.begin(report("a2", "alice", 7));  // cut off
    ledger.begin(report("b1", "bob", 100));
    CHECK(ledger.spent("alice") == 19);
    CHECK(ledger.spent("bob") == 100);
    const auto rows = ledger.rows({});
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].report.request_hex == "b1");
    CHECK(rows[0].finished == 0);
    CHECK(rows[2].report.stats.completion_tokens == 3);
    CHECK(rows[2].report.price.total == 12);
  }
  Ledger ledger(path);  // as after a crash: what ran is charged for its prompt
  CHECK(ledger.spent("alice") == 19);
  CHECK(ledger.spent("bob") == 100);
  server::LedgerQuery query;
  query.status = "aborted";
  CHECK(ledger.rows(query).size() == 2);
  query.key = "bob";
  CHECK(ledger.rows(query).size() == 1);
  query.key = "nobody";
  CHECK(ledger.rows(query).empty());
  ledger.begin(report("a1", "alice", 50));  // the same request again is no new row
  ledger.finish(report("a1", "alice", 50));
  CHECK(ledger.spent("alice") == 19);
}

TEST_CASE("a file that is no ledger is refused") {
  const test::TempFolder folder;
  const auto path = folder.path() / "ledger.sqlite";
  std::ofstream(path) << std::string(8192, 'x');
  CHECK_THROWS_AS(Ledger{path}, Error);
}

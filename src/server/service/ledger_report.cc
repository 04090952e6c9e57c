#include "server/service/ledger_report.h"

#include <fmt/core.h>

#include <array>
#include <ctime>

#include "base/error.h"

namespace fathom::server {
namespace {

struct Grouping {
  LedgerGrouping grouping;
  std::string_view name;
  const char* sql;
};

constexpr std::array<Grouping, 7> kGroupings = {
    {{LedgerGrouping::day, "day", "strftime('%Y-%m-%d', created, 'unixepoch')"},
     {LedgerGrouping::month, "month", "strftime('%Y-%m', created, 'unixepoch')"},
     {LedgerGrouping::key, "key", "key_id"},
     {LedgerGrouping::model, "model", "model"},
     {LedgerGrouping::user, "user_id", "user_id"},
     {LedgerGrouping::route, "route", "route"},
     {LedgerGrouping::status, "status", "status"}}};

// Values 1 to 6 are the query's.
constexpr const char* kWhere =
    " FROM requests WHERE (?1='' OR key_id=?1) AND created>=?2 AND created<?3 AND (?4='' OR model=?4) AND "
    "(?5='' OR status=?5) AND (?6='' OR user_id=?6)";

void bind_query(Statement& statement, const LedgerQuery& q) {
  statement.bind(q.key).bind(q.since).bind(q.until).bind(q.model).bind(q.status).bind(q.user);
}

}  // namespace

std::optional<LedgerGrouping> ledger_grouping(std::string_view name) {
  for (const Grouping& each : kGroupings) {
    if (each.name == name) return each.grouping;
  }
  return std::nullopt;
}

std::string_view name(LedgerGrouping grouping) { return kGroupings.at(static_cast<size_t>(grouping)).name; }

void make_ledger_tables(const Database& db) {
  db.execute(
      "CREATE TABLE IF NOT EXISTS requests("
      "request_id TEXT PRIMARY KEY, created INTEGER, finished INTEGER, key_id TEXT, user_id TEXT, route TEXT,"
      "model TEXT, status TEXT, code INTEGER, prompt INTEGER, cached INTEGER, completion INTEGER,"
      "reasoning INTEGER, input INTEGER, cached_input INTEGER, output INTEGER, total INTEGER, seconds REAL"
      ") WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS spent(key_id TEXT PRIMARY KEY, total INTEGER) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS credits(created INTEGER, key_id TEXT, amount INTEGER);"
      "CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS requests_by_key ON requests(key_id, created);"
      "CREATE INDEX IF NOT EXISTS requests_running ON requests(key_id, total) WHERE status='running';");
}

std::vector<LedgerRow> ledger_rows(const Database& db, const LedgerQuery& q) {
  const std::string sql = fmt::format(
      "SELECT request_id, created, finished, key_id, user_id, route, model, status, code, prompt, "
      "cached, completion, reasoning, input, cached_input, output, total, seconds{} AND (?7='' OR "
      "request_id<?7) ORDER BY request_id DESC LIMIT ?8",
      kWhere);
  Statement s(db, sql.c_str());
  bind_query(s, q);
  s.bind(q.before).bind(q.limit);
  std::vector<LedgerRow> rows;
  while (s.step()) {
    LedgerRow row;
    JobReport& r = row.report;
    r.request_hex = s.text(0);
    r.created = s.integer(1);
    row.finished = s.integer(2);
    r.key = s.text(3);
    r.user = s.text(4);
    r.route = s.text(5);
    r.model = s.text(6);
    r.status = s.text(7);
    r.code = static_cast<int>(s.integer(8));
    r.stats.prompt_tokens = s.integer(9);
    r.stats.cached_tokens = s.integer(10);
    r.stats.completion_tokens = s.integer(11);
    r.stats.reasoning_tokens = s.integer(12);
    r.price.input = s.integer(13);
    r.price.cached_input = s.integer(14);
    r.price.output = s.integer(15);
    r.price.total = s.integer(16);
    r.stats.engine_seconds = s.real(17);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<LedgerSum> ledger_sums(const Database& db, const LedgerQuery& q,
                                   std::span<const LedgerGrouping> by) {
  std::string columns, order;
  for (size_t i = 0; i < by.size(); ++i) {
    columns += fmt::format(", {}", kGroupings.at(static_cast<size_t>(by[i])).sql);
    order += fmt::format("{}{}", i == 0 ? " GROUP BY " : ", ", i + 11);
  }
  // Sums of integers are exact in SQLite, or an error.
  const std::string sql = fmt::format(
      "SELECT COUNT(*), COALESCE(SUM(status='running'),0), COALESCE(SUM(status IN "
      "('error','cancelled','aborted')),0), COALESCE(SUM(prompt),0), COALESCE(SUM(cached),0), "
      "COALESCE(SUM(completion),0), COALESCE(SUM(input),0), COALESCE(SUM(cached_input),0), "
      "COALESCE(SUM(output),0), COALESCE(SUM(total),0){}, COALESCE(SUM(reasoning),0), "
      "COALESCE(SUM(seconds),0){}{}{}",
      columns, kWhere, order, order.empty() ? "" : " ORDER BY " + order.substr(10));
  Statement s(db, sql.c_str());
  bind_query(s, q);
  std::vector<LedgerSum> sums;
  const auto after = static_cast<int>(10 + by.size());
  while (s.step()) {
    LedgerSum sum;
    sum.requests = s.integer(0);
    sum.running = s.integer(1);
    sum.failed = s.integer(2);
    sum.stats.prompt_tokens = s.integer(3);
    sum.stats.cached_tokens = s.integer(4);
    sum.stats.completion_tokens = s.integer(5);
    sum.price = {s.integer(6), s.integer(7), s.integer(8), s.integer(9)};
    for (int i = 10; i < after; ++i) sum.groups.push_back(s.text(i));
    sum.stats.reasoning_tokens = s.integer(after);
    sum.stats.engine_seconds = s.real(after + 1);
    sums.push_back(std::move(sum));
  }
  return sums;
}

namespace {

constexpr const char* kBalances =
    "SELECT k, COALESCE((SELECT total FROM spent WHERE key_id=k),0), COALESCE((SELECT SUM(total) FROM "
    "requests "
    "WHERE key_id=k AND status='running'),0), (SELECT SUM(amount) FROM credits WHERE key_id=k), "
    "EXISTS(SELECT 1 FROM credits WHERE key_id=k) FROM ({})";

std::vector<LedgerBalance> balances_of(Statement& s) {
  std::vector<LedgerBalance> out;
  while (s.step()) out.push_back({s.text(0), s.integer(1), s.integer(2), s.integer(3), s.integer(4) != 0});
  return out;
}

}  // namespace

std::vector<LedgerBalance> ledger_balances(const Database& db) {
  const std::string sql =
      fmt::format(kBalances,
                  "SELECT DISTINCT key_id AS k FROM requests UNION SELECT key_id FROM spent "
                  "UNION SELECT key_id FROM credits");
  Statement s(db, sql.c_str());
  return balances_of(s);
}

LedgerBalance ledger_balance(const Database& db, const std::string& key) {
  const std::string sql = fmt::format(kBalances, "SELECT ?1 AS k");
  Statement s(db, sql.c_str());
  s.bind(key);
  return balances_of(s).at(0);
}

std::string ledger_currency(const Database& db) {
  Statement s(db, "SELECT value FROM facts WHERE name='currency'");
  return s.step() ? s.text(0) : "USD";  // the only one, before there was a choice
}

void check_ledger(const Database& db) {
  Statement s(db,
              "SELECT k, COALESCE((SELECT total FROM spent WHERE key_id=k),0), COALESCE((SELECT SUM(total) "
              "FROM requests WHERE key_id=k AND status!='running'),0) FROM (SELECT DISTINCT key_id AS k FROM "
              "requests UNION SELECT key_id FROM spent)");
  while (s.step()) {
    if (s.integer(1) == s.integer(2)) continue;
    bad_input("ledger: key '{}': expected {} charged, the sum of its rows, found {}",
              printable(s.text(0), 64), decimal(s.integer(2)), decimal(s.integer(1)));
  }
}

void add_credit(const std::filesystem::path& path, const std::string& key, Picos amount) {
  const Database db(path, Database::Mode::existing, "ledger");
  in_context(printable(path.string()), [&] {
    db.transaction([&] {
      make_ledger_tables(db);
      Statement(db, "INSERT INTO credits VALUES(?,?,?)")
          .bind(static_cast<int64_t>(std::time(nullptr)))
          .bind(key)
          .bind(amount)
          .step();
    });
  });
}

}  // namespace fathom::server

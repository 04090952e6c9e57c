// fathom ledger: what the requests to a server cost, from its SQLite file; while it runs too.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <ctime>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/ledger_table.h"
#include "server/service/keys.h"
#include "server/service/ledger_report.h"

namespace fathom::cli {
namespace {

using server::Database;

struct LedgerArguments {
  std::string file, keys, since, until, credit;
  std::vector<std::string> by;
  server::LedgerQuery query;
  bool rows = false, balances = false, check = false, csv = false, json = false;
  LedgerForm form() const { return json ? LedgerForm::json : csv ? LedgerForm::csv : LedgerForm::table; }
};

std::string seconds_text(double seconds) { return fmt::format("{:.3f}", seconds); }

std::string time_text(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  char text[32];
  if (seconds <= 0 || !::gmtime_r(&time, &parts) ||
      std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    return "";
  return text;
}

std::vector<LedgerColumn> number_columns(std::initializer_list<const char*> names) {
  std::vector<LedgerColumn> columns;
  for (const char* name : names) columns.push_back({name, true});
  return columns;
}

std::vector<std::string> cells_of(const server::LedgerSum& sum) {
  const auto count = [](int64_t n) { return std::to_string(n); };
  return {count(sum.requests),
          count(sum.running),
          count(sum.failed),
          count(sum.stats.prompt_tokens),
          count(sum.stats.cached_tokens),
          count(sum.stats.completion_tokens),
          count(sum.stats.reasoning_tokens),
          seconds_text(sum.stats.engine_seconds),
          decimal(sum.price.total)};
}

LedgerTable sums_table(const Database& db, const LedgerArguments& arguments) {
  std::vector<server::LedgerGrouping> by;
  LedgerTable table;
  table.title = "groups";
  for (const std::string& name : arguments.by) {
    const auto grouping = server::ledger_grouping(name);
    if (!grouping) bad_input("--by: expected day, key, model, ..., found '{}'", printable(name, 64));
    by.push_back(*grouping);
    table.columns.push_back({name, false});
  }
  for (LedgerColumn& column :
       number_columns({"requests", "running", "failed", "prompt_tokens", "cached_tokens", "completion_tokens",
                       "reasoning_tokens", "seconds", "cost"}))
    table.columns.push_back(std::move(column));
  const auto row_of = [&](const server::LedgerSum& sum, std::vector<std::string> row) {
    for (std::string& cell : cells_of(sum)) row.push_back(std::move(cell));
    return row;
  };
  for (const server::LedgerSum& sum : server::ledger_sums(db, arguments.query, by))
    table.rows.push_back(row_of(sum, sum.groups));
  std::vector<std::string> total(by.size(), "");
  if (!total.empty()) total.front() = "total";
  table.totals = row_of(server::ledger_sums(db, arguments.query, {}).at(0), std::move(total));
  return table;
}

LedgerTable rows_table(const Database& db, const LedgerArguments& arguments) {
  LedgerTable table;
  table.title = "requests";
  for (const char* name : {"request_id", "created", "finished", "key", "user_id", "route", "model", "status"})
    table.columns.push_back({name, false});
  for (LedgerColumn& column :
       number_columns({"code", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens",
                       "seconds", "cached_input", "input", "output", "cost"}))
    table.columns.push_back(std::move(column));
  for (const server::LedgerRow& row : server::ledger_rows(db, arguments.query)) {
    const server::JobReport& r = row.report;
    const AnswerStats& s = r.stats;
    table.rows.push_back({"req_" + r.request_hex, time_text(r.created), time_text(row.finished), r.key,
                          r.user, r.route, r.model, r.status, std::to_string(r.code),
                          std::to_string(s.prompt_tokens), std::to_string(s.cached_tokens),
                          std::to_string(s.completion_tokens), std::to_string(s.reasoning_tokens),
                          seconds_text(s.engine_seconds), decimal(r.price.cached_input),
                          decimal(r.price.input), decimal(r.price.output), decimal(r.price.total)});
  }
  return table;
}

// Every key of the ledger and of the key file, with what it may do.
LedgerTable balances_table(const Database& db, const LedgerArguments& arguments) {
  LedgerTable table;
  table.title = "keys";
  table.columns.push_back({"key", false});
  for (LedgerColumn& column : number_columns({"spent", "running", "granted", "credits", "left"}))
    table.columns.push_back(std::move(column));
  std::map<std::string, server::LedgerBalance> balances;
  for (server::LedgerBalance& balance : server::ledger_balances(db)) balances[balance.key] = balance;
  std::map<std::string, server::KeyEntry> entries;
  if (!arguments.keys.empty()) {
    for (LedgerColumn& column : number_columns({"concurrency", "requests_per_minute", "tokens_per_minute"}))
      table.columns.push_back(std::move(column));
    const auto keys = server::Keys::open(arguments.keys);
    for (const server::KeyEntry& entry : keys->entries()) {
      entries[entry.id] = entry;
      balances.try_emplace(entry.id);
    }
  }
  const auto limit = [](int64_t value) { return value > 0 ? std::to_string(value) : std::string(); };
  for (const auto& [key, balance] : balances) {
    if (!arguments.query.key.empty() && key != arguments.query.key) continue;
    const auto entry = entries.find(key);
    const std::optional<Picos> granted = entry == entries.end() ? std::nullopt : entry->second.balance;
    const bool limited = granted || balance.has_credits;
    const Picos left = granted.value_or(0) + balance.credits - balance.spent - balance.running;
    std::vector<std::string> row = {key,
                                    decimal(balance.spent),
                                    decimal(balance.running),
                                    granted ? decimal(*granted) : "",
                                    balance.has_credits ? decimal(balance.credits) : "",
                                    limited ? decimal(left) : ""};
    if (!arguments.keys.empty()) {
      const server::KeyEntry own = entry == entries.end() ? server::KeyEntry{} : entry->second;
      for (const int64_t value : {own.concurrency, own.requests_per_minute, own.tokens_per_minute})
        row.push_back(limit(value));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

// "alice=5", "alice=-0.25".
void give_credit(const LedgerArguments& arguments) {
  const std::string& text = arguments.credit;
  const size_t equals = text.rfind('=');
  double amount = 0;
  const char* begin = text.data() + (equals == std::string::npos ? text.size() : equals + 1);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), amount);
  const bool good = equals != std::string::npos && equals > 0 && equals <= 128 && error == std::errc{} &&
                    end == text.data() + text.size() && amount >= -1e6 && amount <= 1e6;
  if (!good) {
    bad_input("--credit: expected KEY=AMOUNT with an amount from -1000000 to 1000000, found '{}'",
              printable(text, 160));
  }
  server::add_credit(arguments.file, text.substr(0, equals), server::to_picos(amount));
}

void report(LedgerArguments& arguments) {
  if (!arguments.since.empty()) arguments.query.since = ledger_time(arguments.since, "--since");
  if (!arguments.until.empty()) arguments.query.until = ledger_time(arguments.until, "--until");
  if (!arguments.credit.empty()) {
    give_credit(arguments);
    arguments.query.key = arguments.credit.substr(0, arguments.credit.rfind('='));
  }
  const Database db(arguments.file, Database::Mode::read_only, "ledger");
  in_context(printable(arguments.file), [&] {
    if (arguments.check) server::check_ledger(db);
    const bool balances = arguments.balances || !arguments.credit.empty();
    LedgerTable table = balances         ? balances_table(db, arguments)
                        : arguments.rows ? rows_table(db, arguments)
                                         : sums_table(db, arguments);
    table.currency = server::ledger_currency(db);
    fmt::print("{}", ledger_text(table, arguments.form()));
  });
}

}  // namespace

void register_ledger(CLI::App& app) {
  auto* command = app.add_subcommand("ledger", "what the requests to a server cost, from its ledger");
  auto arguments = std::make_shared<LedgerArguments>();
  command->add_option("file", arguments->file, "the file of fathom serve --ledger")->required();
  auto* by = command
                 ->add_option("--by", arguments->by,
                              "sums by day, month, key, model, user_id, route or status (commas between; "
                              "default: key)")
                 ->delimiter(',')
                 ->check(CLI::IsMember({"day", "month", "key", "model", "user_id", "route", "status"}));
  auto* rows = command->add_flag("--rows", arguments->rows, "each request, the newest first")->excludes(by);
  command->add_option("--limit", arguments->query.limit, "most rows of --rows (default: 100)")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}));
  command->add_option("--since", arguments->since,
                      "from this time on: 2026-11-25, 2026-11-25T08:30:00Z (UTC)");
  command->add_option("--until", arguments->until, "before this time");
  command->add_option("--key", arguments->query.key, "of one key");
  command->add_option("--model", arguments->query.model, "of one model");
  command->add_option("--user", arguments->query.user, "of one user_id");
  command->add_option("--status", arguments->query.status, "ok, error, cancelled, aborted or running")
      ->check(CLI::IsMember({"ok", "error", "cancelled", "aborted", "running"}));
  auto* balances =
      command->add_flag("--balances", arguments->balances, "what each key has spent, and has left")
          ->excludes(by)
          ->excludes(rows);
  command->add_option("--keys", arguments->keys, "key file: its balances and limits beside them")
      ->needs(balances);
  command->add_option("--credit", arguments->credit,
                      "KEY=AMOUNT: the key may spend so much more (less than 0: less); a server that runs "
                      "knows it at once");
  command->add_flag("--check", arguments->check, "what was charged must be the sum of the rows");
  auto* csv = command->add_flag("--csv", arguments->csv, "CSV instead of the table");
  command->add_flag("--json", arguments->json, "JSON instead of the table")->excludes(csv);
  command->callback([arguments] {
    if (arguments->by.empty()) arguments->by = {"key"};
    report(*arguments);
  });
}

}  // namespace fathom::cli

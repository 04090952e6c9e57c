#pragma once
/// What a ledger says: its rows, sums of them, and what keys have spent and may spend. Source: api.md
/// sections 2.6 and 6.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/service/answer_job.h"
#include "server/service/sqlite.h"

namespace fathom::server {

struct LedgerRow {
  JobReport report;
  int64_t finished = 0;  ///< Unix seconds; 0: it runs
};

struct LedgerQuery {
  std::string key;                       ///< of one key only; empty: all
  int64_t since = 0, until = INT64_MAX;  ///< created at or after, and before; Unix seconds
  std::string model, status, user;
  int64_t limit = 100;
  std::string before;  ///< rows older than this request
};

/// What rows are put together by. A day or a month is one of UTC.
enum class LedgerGrouping { day, month, key, model, user, route, status };
/// By its name: day, month, key, model, user_id, route, status; nothing for another.
std::optional<LedgerGrouping> ledger_grouping(std::string_view name);
std::string_view name(LedgerGrouping grouping);

struct LedgerSum {
  std::vector<std::string> groups;  ///< in the order asked for
  int64_t requests = 0;
  int64_t running = 0;  ///< of these; they count with their prompts
  int64_t failed = 0;   ///< of these: error, cancelled or aborted
  AnswerStats stats;
  AnswerPrice price;
};

/// What a key has spent and may spend.
struct LedgerBalance {
  std::string key;
  Picos spent = 0;    ///< by what has ended
  Picos running = 0;  ///< the prompts of what runs
  Picos credits = 0;  ///< added to what the key file lets it spend
  bool has_credits = false;
};

/// Newest first; `limit` and `before` of the query count.
std::vector<LedgerRow> ledger_rows(const Database& db, const LedgerQuery& query);
/// Ordered by their groups; `limit` and `before` do not count.
std::vector<LedgerSum> ledger_sums(const Database& db, const LedgerQuery& query,
                                   std::span<const LedgerGrouping> by);
/// Of every key that has rows or credits.
std::vector<LedgerBalance> ledger_balances(const Database& db);
LedgerBalance ledger_balance(const Database& db, const std::string& key);
/// Of all its amounts: "USD".
std::string ledger_currency(const Database& db);
/// Throws Error(bad_input): what was charged to a key is not the sum of its rows.
void check_ledger(const Database& db);

/// Adds to what a key may spend; a negative amount takes away. A server that runs sees it at the next
/// request.
void add_credit(const std::filesystem::path& path, const std::string& key, Picos amount);
/// Makes tables that are not there.
void make_ledger_tables(const Database& db);

}  // namespace fathom::server

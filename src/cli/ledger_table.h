#pragma once
/// What fathom ledger prints: columns of texts and numbers as a table, CSV or JSON.

#include <string>
#include <vector>

namespace fathom::cli {

enum class LedgerForm { table, csv, json };

struct LedgerColumn {
  std::string name;
  bool number = false;  ///< its cells are decimal texts, written as they are; empty: null
};

struct LedgerTable {
  std::string title;  ///< of the list in JSON
  std::vector<LedgerColumn> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> totals;  ///< a last row of the table, an object of its own in JSON; or empty
  std::string currency;
};

/// Ends with a line end.
std::string ledger_text(const LedgerTable& table, LedgerForm form);

/// "2026-11-25", "2026-11-25T08:30:00Z" (UTC) or Unix seconds. Throws Error naming the option.
int64_t ledger_time(const std::string& text, const char* option);

}  // namespace fathom::cli

#pragma once
/// The ledger: a row for each request that was admitted, exact after a crash. SQLite with a write-ahead log
/// and full syncs; a thread of its own writes, many rows in one transaction. Source: api.md section 6.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/service/ledger_report.h"

namespace fathom::server {

class Ledger {
 public:
  /// Opens or makes the file. Rows that a crash left running become `aborted` and are charged for their
  /// prompt. Throws Error(io): also if another server has it; Error(bad_input): its amounts are of another
  /// currency.
  explicit Ledger(const std::filesystem::path& path, const std::string& currency = "USD");
  ~Ledger();

  /// A request is admitted: returns when its row is on disk. The price is that of its prompt.
  void begin(const JobReport& report);
  /// The same in two steps: the row is on its way; and it is on disk.
  uint64_t submit(const JobReport& report);
  void wait(uint64_t number);
  /// It has ended: charged in the same transaction. `written` is called once that is on disk, or has failed,
  /// on the ledger's own thread.
  void finish(const JobReport& report, std::function<void()> written = {});
  /// What a key has spent, all rows; those that run count their prompt.
  Picos spent(const std::string& key) const;
  /// With all that has been handed over.
  LedgerBalance balance(const std::string& key) const;
  /// Newest first.
  std::vector<LedgerRow> rows(const LedgerQuery& query) const;
  std::vector<LedgerSum> sums(const LedgerQuery& query, std::span<const LedgerGrouping> by) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::server

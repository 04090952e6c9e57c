#pragma once
/// One request's row in the ledger and its part of its key's funds, from its admission to its end.

#include <functional>
#include <memory>
#include <vector>

#include "server/service/funds.h"
#include "server/service/ledger.h"

namespace fathom::server {

class Booking {
 public:
  /// @param ledger may be null: nothing is written down
  /// @param funds of the key; null: it may spend what it likes
  Booking(Ledger* ledger, std::shared_ptr<KeyFunds> funds) : ledger_(ledger), funds_(std::move(funds)) {}

  /// Admits it: its row is on disk, its prompts are paid for, and every token of its answers will be asked
  /// for. Throws ApiError 402; 503: what cannot be written down is not answered.
  void open(const JobReport& opening, const ModelPrice& price, std::vector<EngineRequest>& requests);
  /// What it cost in the end. `written` is called once that is on disk, if there is a ledger.
  void close(const JobReport& report, std::function<void()> written = {});

 private:
  Ledger* ledger_;
  std::shared_ptr<KeyFunds> funds_;
  std::vector<std::shared_ptr<AnswerFunds>> shares_;
  Picos opened_ = 0;
};

}  // namespace fathom::server

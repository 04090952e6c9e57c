#pragma once
/// What a key may still spend while its answers run: every token is taken from it before it is made, so that
/// no number of answers at once spends more than there is. The ledger has what is booked; this has what runs.
/// Source: api.md section 6.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "engine/price_list.h"
#include "engine/serving/request.h"

namespace fathom::server {

class KeyFunds {
 public:
  /// What the ledger says is left, its running rows counted with their prompts: credits come from outside.
  /// @param read waits for all that has been handed to the ledger
  void refresh(const std::function<Picos()>& read);
  /// Takes a prompt's price and hands its row to the ledger (`book`), if there is enough and more than
  /// nothing.
  bool admit(Picos prompt, const std::function<void()>& book);
  /// Takes an amount, or gives back (less than 0); false: there is not enough.
  bool take(Picos amount);
  /// An answer has ended: `taken` of it was in all, `opened` when it was admitted, `total` is its price.
  void end(Picos taken, Picos opened, Picos total, const std::function<void()>& book);

 private:
  std::mutex mutex_;
  Picos booked_ = 0;  // by the ledger
  Picos extra_ = 0;   // taken by what runs, beyond its prompts
  uint64_t version_ = 0;
  bool known_ = false;
};

/// One answer's share of a key's funds.
class AnswerFunds final : public Allowance {
 public:
  /// @param opened what was taken for its prompt
  AnswerFunds(std::shared_ptr<KeyFunds> funds, ModelPrice price, Picos opened)
      : funds_(std::move(funds)), price_(std::move(price)), opened_(opened), taken_(opened) {}
  bool allows(const AnswerStats& stats) override;
  Picos opened() const { return opened_; }
  Picos taken() const { return taken_; }

 private:
  std::shared_ptr<KeyFunds> funds_;
  ModelPrice price_;
  Picos opened_;
  std::atomic<Picos> taken_;
};

}  // namespace fathom::server

#include "server/service/funds.h"

namespace fathom::server {

void KeyFunds::refresh(const std::function<Picos()>& read) {
  constexpr int kTries = 8;  // afterwards what is known goes on: it is kept up to date, but for credits
  for (int i = 0;; ++i) {
    uint64_t version = 0;
    {
      const std::lock_guard lock(mutex_);
      version = version_;
    }
    const Picos left = read();
    const std::lock_guard lock(mutex_);
    if (version == version_) {
      booked_ = left;
      known_ = true;
    }
    if (version == version_ || (known_ && i >= kTries)) return;
  }
}

bool KeyFunds::admit(Picos prompt, const std::function<void()>& book) {
  const std::lock_guard lock(mutex_);
  const Picos left = booked_ - extra_;
  if (left <= 0 || prompt > left) return false;
  book();
  booked_ -= prompt;
  ++version_;
  return true;
}

bool KeyFunds::take(Picos amount) {
  const std::lock_guard lock(mutex_);
  if (amount > 0 && amount > booked_ - extra_) return false;
  extra_ += amount;
  return true;
}

void KeyFunds::end(Picos taken, Picos opened, Picos total, const std::function<void()>& book) {
  const std::lock_guard lock(mutex_);
  book();
  extra_ -= taken - opened;
  booked_ -= total - opened;
  ++version_;
}

bool AnswerFunds::allows(const AnswerStats& stats) {
  const Picos price =
      price_
          .of(stats.prompt_tokens - stats.cached_tokens, stats.cached_tokens, stats.completion_tokens,
              stats.engine_seconds, stats.prefill_seconds, stats.decode_seconds)
          .total;
  if (!funds_->take(price - taken_)) return false;
  taken_ = price;
  return true;
}

}  // namespace fathom::server

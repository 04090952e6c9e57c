#include "server/service/booking.h"

#include <utility>

#include "base/error.h"
#include "server/api/api_error.h"

namespace fathom::server {
namespace {

ApiError not_written() { return {503, "service_unavailable", "the ledger cannot be written"}; }

}  // namespace

void Booking::open(const JobReport& opening, const ModelPrice& price, std::vector<EngineRequest>& requests) {
  if (!ledger_) return;
  if (!funds_) {
    try {
      ledger_->begin(opening);
    } catch (const Error&) {
      throw not_written();
    }
    return;
  }
  opened_ = opening.price.total;
  uint64_t number = 0;
  if (!funds_->admit(opened_, [&] { number = ledger_->submit(opening); }))
    throw ApiError(402, "insufficient_balance", "balance: expected enough for the prompt, found less");
  for (EngineRequest& request : requests) {
    const Picos own = price.of(std::ssize(request.prompt), 0, 0, 0, 0, 0).total;
    shares_.push_back(std::make_shared<AnswerFunds>(funds_, price, own));
    request.allowance = shares_.back();
  }
  try {
    ledger_->wait(number);
  } catch (const Error&) {  // no row, no charge
    funds_->end(opened_, opened_, 0, [] {});
    throw not_written();
  }
}

void Booking::close(const JobReport& report, std::function<void()> written) {
  if (!ledger_) return;
  if (!funds_) return ledger_->finish(report, std::move(written));
  Picos taken = 0;
  for (const auto& share : shares_) taken += share->taken();
  funds_->end(taken, opened_, report.price.total, [&] { ledger_->finish(report, std::move(written)); });
}

}  // namespace fathom::server

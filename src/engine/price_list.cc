#include "engine/price_list.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "engine/price_file.h"

namespace fathom {

AnswerPrice ModelPrice::of(int64_t miss_tokens, int64_t hit_tokens, int64_t output_tokens,
                           double engine_seconds, double prefill_seconds, double decode_seconds) const {
  if (per_hour <= 0) return price_of(tokens, miss_tokens, hit_tokens, output_tokens);
  const double wall = prefill_seconds + decode_seconds;
  const double reading = wall > 0 ? engine_seconds * prefill_seconds / wall : engine_seconds;
  return price_by_time(reading, std::max(engine_seconds - reading, 0.0), per_hour);
}

PriceList::PriceList() : name_(kDefaultPriceTable) {}

PriceList::PriceList(const std::string& table, double per_hour) : name_(table), per_hour_(per_hour) {
  if (!(per_hour >= 0 && per_hour <= kMostPricePerHour)) {
    bad_input("price per hour: expected 0 to {}, found {}", kMostPricePerHour, per_hour);
  }
  // Names of tables have neither: a mistyped one is told which there are.
  const bool path = table.find('/') != std::string::npos || table.ends_with(".json");
  if (path || std::filesystem::is_regular_file(table)) {
    auto file = std::make_shared<PriceFile>(read_price_file(table));
    name_ = file->name;
    currency_ = file->currency;
    if (per_hour_ == 0) per_hour_ = file->per_hour;
    if (per_hour_ > 0 && per_hour == 0) return;  // the file's own, under its name
    file_ = std::move(file);
  } else {
    (void)price_table(table);
  }
  if (per_hour > 0) name_ = "per-hour";
}

ModelPrice PriceList::at(std::string_view model, int64_t start_seconds) const {
  ModelPrice price;
  price.table = name_;
  price.currency = currency_;
  price.per_hour = per_hour_;
  if (per_hour_ > 0) return price;
  if (!file_) {
    const PriceTable& table = price_table(name_, start_seconds);
    price.table = table.name;
    price.tokens = table.of(model);
    return price;
  }
  const TokenPrice* tokens = file_->of(model);
  if (!tokens) {
    fail(ErrorCode::not_found, "{}: prices.models: expected a price of '{}' or one named default, found none",
         name_, printable(model, 60));
  }
  price.tokens = *tokens;
  return price;
}

}  // namespace fathom

#include "engine/price.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace fathom {
namespace {

constexpr Picos kUnit = 1'000'000'000'000;
constexpr int64_t kMaxTokens = (int64_t{1} << 31) - 1;

// Prices in millionths of a dollar per million tokens = 10^-12 dollars per token.
constexpr std::array kTables = {
    PriceTable{"deepseek-v4-launch",
               "2026-04-24",
               {28'000, 140'000, 280'000},
               {145'000, 1'740'000, 3'480'000},
               "secondary reports of the page; from 04-26 hits at a tenth, Pro at a quarter until 05-31"},
    PriceTable{"deepseek-v4-flat",
               "page naming V4-Flash-0731 and V4-Pro-0813",
               {2'800, 140'000, 280'000},
               {3'625, 435'000, 870'000},
               "official page as of mid August 2026, before the 16th"},
    PriceTable{"deepseek-v4-offpeak",
               "2026-08-16 16:00 UTC",
               {7'000, 220'000, 660'000},
               {22'000, 660'000, 1'980'000},
               "official page, read 2026-09-10"},
    PriceTable{"deepseek-v4-peak",
               "2026-08-16 16:00 UTC",
               {14'000, 440'000, 1'320'000},
               {44'000, 1'320'000, 3'960'000},
               "01-04 and 06-10 UTC, Monday to Friday; official page, read 2026-09-10"},
    PriceTable{"deepseek-v4.1-offpeak",
               "2026-09-10",
               {3'000, 150'000, 600'000},
               {22'000, 660'000, 1'980'000},
               "official page; Flash is V4.1 there"},
    PriceTable{"deepseek-v4.1-peak",
               "2026-09-10",
               {6'000, 300'000, 1'200'000},
               {44'000, 1'320'000, 3'960'000},
               "01-04 and 06-10 UTC, Monday to Friday; official page; Flash is V4.1 there"},
};

bool is_peak(int64_t start_seconds) {
  constexpr int64_t kDay = 86400, kHour = 3600;
  const int64_t day = start_seconds >= 0 ? start_seconds / kDay : (start_seconds - kDay + 1) / kDay;
  const int64_t hour = (start_seconds - day * kDay) / kHour;
  const int64_t weekday = ((day + 3) % 7 + 7) % 7;  // 1970-01-01 was a Thursday: 0 = Monday
  return weekday < 5 && ((hour >= 1 && hour < 4) || (hour >= 6 && hour < 10));
}

Picos product(Picos price, int64_t tokens) {
  FATHOM_CHECK(tokens >= 0 && tokens <= kMaxTokens);
  return price * tokens;
}

Picos by_time(double seconds, double price_per_hour) {
  const double amount = seconds * price_per_hour / 3600 * static_cast<double>(kUnit);
  FATHOM_CHECK(amount >= 0 && amount < 4e18);
  return std::llround(amount);
}

}  // namespace

const TokenPrice& PriceTable::of(std::string_view model) const {
  std::string lower(model);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower.find("pro") != std::string::npos ? pro : flash;
}

std::span<const PriceTable> price_tables() { return kTables; }

const PriceTable& price_table(std::string_view name, int64_t start_seconds) {
  const std::string_view wanted = name != "deepseek-v4-timed" ? name
                                  : is_peak(start_seconds)    ? "deepseek-v4-peak"
                                                              : "deepseek-v4-offpeak";
  for (const PriceTable& table : kTables) {
    if (table.name == wanted) return table;
  }
  std::string known;
  for (const PriceTable& table : kTables) known += std::string(table.name) + ", ";
  fail(ErrorCode::not_found, "price table: expected one of {}deepseek-v4-timed, found \"{}\"", known,
       printable(name, 60));
}

AnswerPrice price_of(const TokenPrice& price, int64_t miss_tokens, int64_t hit_tokens,
                     int64_t output_tokens) {
  AnswerPrice answer;
  answer.input = product(price.miss, miss_tokens);
  answer.cached_input = product(price.hit, hit_tokens);
  answer.output = product(price.output, output_tokens);
  answer.total = answer.input + answer.cached_input + answer.output;
  return answer;
}

AnswerPrice price_by_time(double prefill_seconds, double decode_seconds, double price_per_hour) {
  AnswerPrice answer;
  answer.input = by_time(prefill_seconds, price_per_hour);
  answer.output = by_time(decode_seconds, price_per_hour);
  answer.total = answer.input + answer.output;
  return answer;
}

std::string decimal(Picos amount) {
  // The magnitude is taken unsigned: the most negative value has no positive twin.
  const uint64_t size = amount < 0 ? 0 - static_cast<uint64_t>(amount) : static_cast<uint64_t>(amount);
  constexpr auto kUnsigned = static_cast<uint64_t>(kUnit);
  std::string text = fmt::format("{}{}.{:012}", amount < 0 ? "-" : "", size / kUnsigned, size % kUnsigned);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace fathom

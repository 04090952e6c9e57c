#pragma once
/// Prices: DeepSeek's published tables as data, and what an answer costs in exact integers.
/// Source: api.md section 6 of the project's design (tables per million tokens, 10^-12 units, printing).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fathom {

/// Money in 10^-12 currency units.
using Picos = int64_t;

/// Price of one token. A table's "0.14 per million" is 140000 of these.
struct TokenPrice {
  Picos hit = 0, miss = 0, output = 0;
  bool operator==(const TokenPrice&) const = default;
};

struct PriceTable {
  std::string_view name;
  std::string_view valid_from;
  TokenPrice flash, pro;
  std::string_view note;
  /// Models whose name contains "pro" take the Pro column, others Flash.
  const TokenPrice& of(std::string_view model) const;
};

/// All published tables (USD), oldest first.
std::span<const PriceTable> price_tables();
inline constexpr std::string_view kDefaultPriceTable = "deepseek-v4-flat";
/// The table `name`; "deepseek-v4-timed" is peak or off-peak by the request's start (Unix seconds, UTC).
/// Throws Error(not_found).
const PriceTable& price_table(std::string_view name, int64_t start_seconds = 0);

/// Price of one answer.
struct AnswerPrice {
  Picos input = 0;         ///< prompt tokens that missed the cache
  Picos cached_input = 0;  ///< prompt tokens that hit it
  Picos output = 0;
  Picos total = 0;
};
/// Counts are 0..2^31 - 1 tokens.
AnswerPrice price_of(const TokenPrice& price, int64_t miss_tokens, int64_t hit_tokens, int64_t output_tokens);
/// So that the price of any answer fits in Picos.
inline constexpr double kMostPricePerHour = 1e4;
/// Price by time on a machine that costs `price_per_hour`: input is the prefill part, output the decode part.
AnswerPrice price_by_time(double prefill_seconds, double decode_seconds, double price_per_hour);

/// Exact decimal text without trailing zeros: 2251200 -> "0.0000022512".
std::string decimal(Picos amount);

}  // namespace fathom

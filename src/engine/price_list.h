#pragma once
/// What answers cost: a published table, a file of one's own, or the machine's price per hour. Source: api.md
/// section 6 of the project's design.

#include <memory>
#include <string>
#include <string_view>

#include "engine/price.h"

namespace fathom {

struct PriceFile;

/// The price of one model's answers at one time.
struct ModelPrice {
  std::string table;     ///< its name
  std::string currency;  ///< "USD", ...
  TokenPrice tokens;     ///< of a token; 0 where time is paid for
  double per_hour = 0;   ///< of the machine; 0: tokens are paid for
  /// By tokens, or by time: `engine_seconds` divided as the two wall-clock parts are.
  AnswerPrice of(int64_t miss_tokens, int64_t hit_tokens, int64_t output_tokens, double engine_seconds,
                 double prefill_seconds, double decode_seconds) const;
};

class PriceList {
 public:
  /// The default table.
  PriceList();
  /// @param table the name of a published table, or a JSON file of prices (engine/price_file.h)
  /// @param per_hour more than 0: the machine's price, in the table's currency, instead of the tokens'
  /// Throws Error naming file and field, or the tables there are.
  explicit PriceList(const std::string& table, double per_hour = 0);

  /// The price of a model at a time (Unix seconds). Throws Error(not_found) if the file has none for it.
  ModelPrice at(std::string_view model, int64_t start_seconds) const;
  const std::string& name() const { return name_; }
  const std::string& currency() const { return currency_; }

 private:
  std::string name_, currency_ = "USD";
  std::shared_ptr<const PriceFile> file_;  // or none: a published table
  double per_hour_ = 0;
};

}  // namespace fathom

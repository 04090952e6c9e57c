#pragma once
/// A price table of one's own, read from JSON: {"currency": "EUR", "models": {"flash": {"hit": 0.0028,
/// "miss": 0.14, "output": 0.28}, "default": {...}}}, prices per million
/// tokens; or {"currency": "EUR", "per_hour": 0.12}, the machine's. Source: api.md section 6 of
/// the project's design.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "engine/price.h"

namespace fathom {

struct PriceFile {
  std::string name;                          ///< of the file, without folder and ending
  std::string currency;                      ///< "USD", ...
  std::map<std::string, TokenPrice> models;  ///< by names in lower case
  double per_hour = 0;                       ///< of the machine; 0: not given
  /// Of the names that `model` contains (case does not matter) the longest, else "default"; nullptr if
  /// neither is there.
  const TokenPrice* of(std::string_view model) const;
};

/// Prices are numbers or decimal texts from 0 to 1,000 with at most six decimals, so that sums of money stay
/// exact integers. Throws Error naming file and field.
PriceFile read_price_file(const std::filesystem::path& path);

}  // namespace fathom

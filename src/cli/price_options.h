#pragma once
/// --price-table and --price-per-hour: what answers cost.

#include <string>

#include "engine/price_list.h"

namespace CLI {
class App;
}

namespace fathom::cli {

struct PriceOptions {
  std::string table = std::string(kDefaultPriceTable);
  double per_hour = 0;

  void add_to(CLI::App& command);
  /// Throws Error naming file and field.
  PriceList list() const { return PriceList(table, per_hour); }
};

}  // namespace fathom::cli

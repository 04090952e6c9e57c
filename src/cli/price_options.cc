#include "cli/price_options.h"

#include <CLI/CLI.hpp>

#include "cli/number_checks.h"

namespace fathom::cli {

void PriceOptions::add_to(CLI::App& command) {
  command.add_option(
      "--price-table", table,
      "prices of answers: deepseek-v4-flat (default), another of DeepSeek's tables, or a JSON "
      "file {\"currency\", \"models\": {NAME: {\"hit\", \"miss\", \"output\"}}}, per 1M tokens");
  command
      .add_option("--price-per-hour", per_hour,
                  "of the machine, in the table's currency: answers cost their time instead")
      ->check(finite_number(0, kMostPricePerHour));
}

}  // namespace fathom::cli

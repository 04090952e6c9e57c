// DeepSeek's price tables and the exact price of an answer.
#include "engine/price.h"

#include <doctest/doctest.h>

#include <limits>

#include "base/error.h"

namespace fathom {

TEST_CASE("the documented example, to the last digit") {
  // 10 prompt tokens, 4 of them cached, 5 generated, on Flash at the default prices.
  const AnswerPrice price = price_of(price_table(kDefaultPriceTable).of("deepseek-v4-flash"), 6, 4, 5);
  CHECK(decimal(price.input) == "0.00000084");
  CHECK(decimal(price.cached_input) == "0.0000000112");
  CHECK(decimal(price.output) == "0.0000014");
  CHECK(decimal(price.total) == "0.0000022512");
}

TEST_CASE("all tables, as dollars per million tokens") {
  struct Case {
    const char* table;
    const char* flash[3];
    const char* pro[3];
  };
  const Case cases[] = {
      {"deepseek-v4-launch", {"0.028", "0.14", "0.28"}, {"0.145", "1.74", "3.48"}},
      {"deepseek-v4-flat", {"0.0028", "0.14", "0.28"}, {"0.003625", "0.435", "0.87"}},
      {"deepseek-v4-offpeak", {"0.007", "0.22", "0.66"}, {"0.022", "0.66", "1.98"}},
      {"deepseek-v4-peak", {"0.014", "0.44", "1.32"}, {"0.044", "1.32", "3.96"}},
      {"deepseek-v4.1-offpeak", {"0.003", "0.15", "0.6"}, {"0.022", "0.66", "1.98"}},
      {"deepseek-v4.1-peak", {"0.006", "0.3", "1.2"}, {"0.044", "1.32", "3.96"}},
  };
  CHECK(price_tables().size() == std::size(cases));
  for (const Case& c : cases) {
    CAPTURE(c.table);
    const PriceTable& table = price_table(c.table);
    for (const auto& [model, expected] : {std::pair{"v4-flash", c.flash}, {"DeepSeek-V4-Pro-0813", c.pro}}) {
      const AnswerPrice price = price_of(table.of(model), 1'000'000, 1'000'000, 1'000'000);
      CHECK(decimal(price.cached_input) == expected[0]);
      CHECK(decimal(price.input) == expected[1]);
      CHECK(decimal(price.output) == expected[2]);
    }
  }
  CHECK_THROWS_AS(price_table("deepseek-v5"), Error);
}

TEST_CASE("the timed table follows the clock") {
  const auto at = [](int64_t seconds) { return price_table("deepseek-v4-timed", seconds).name; };
  constexpr int64_t kMonday = 1'788'739'200;  // 2026-09-07 00:00 UTC
  CHECK(at(kMonday + 3599) == "deepseek-v4-offpeak");
  CHECK(at(kMonday + 3600) == "deepseek-v4-peak");
  CHECK(at(kMonday + 4 * 3600 - 1) == "deepseek-v4-peak");
  CHECK(at(kMonday + 4 * 3600) == "deepseek-v4-offpeak");
  CHECK(at(kMonday + 6 * 3600) == "deepseek-v4-peak");
  CHECK(at(kMonday + 10 * 3600) == "deepseek-v4-offpeak");
  CHECK(at(kMonday + 4 * 86400 + 7200) == "deepseek-v4-peak");     // Friday
  CHECK(at(kMonday + 5 * 86400 + 7200) == "deepseek-v4-offpeak");  // Saturday
  CHECK(at(kMonday - 86400 + 7200) == "deepseek-v4-offpeak");      // Sunday
}

TEST_CASE("price by time, and printing") {
  const AnswerPrice price = price_by_time(1.8, 3.6, 2.0);
  CHECK(decimal(price.input) == "0.001");
  CHECK(decimal(price.output) == "0.002");
  CHECK(decimal(price.total) == "0.003");
  CHECK(price.cached_input == 0);
  CHECK(decimal(0) == "0");
  CHECK(decimal(1) == "0.000000000001");
  CHECK(decimal(-1'500'000'000'000) == "-1.5");
  CHECK(decimal(10'000'000'000'000) == "10");
  CHECK(decimal(std::numeric_limits<int64_t>::min()) == "-9223372.036854775808");
}

}  // namespace fathom

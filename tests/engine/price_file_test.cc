// Price tables of one's own: what they say, and what is wrong with them.
#include "engine/price_file.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "tests/support/temp_folder.h"

namespace fathom {

TEST_CASE("the longest name that fits, exact prices, a default") {
  const test::TempFolder folder;
  const PriceFile prices = read_price_file(folder.write("mine.json", R"({"currency": "EUR", "models": {
    "Flash": {"hit": 0.0028, "miss": "0.14", "output": 0.28},
    "flash-0731": {"hit": 0, "miss": 1000, "output": 0.000001},
    "default": {"hit": 1, "miss": 2, "output": 3}}})"));
  CHECK(prices.name == "mine");
  CHECK(prices.currency == "EUR");
  REQUIRE(prices.of("V4-Flash"));
  CHECK(*prices.of("V4-Flash") == TokenPrice{2'800, 140'000, 280'000});
  CHECK(*prices.of("v4-flash-0731") == TokenPrice{0, 1'000'000'000, 1});
  CHECK(*prices.of("v4-pro") == TokenPrice{1'000'000, 2'000'000, 3'000'000});
  const PriceFile one = read_price_file(folder.write(
      "one.json", R"({"currency": "USD", "models": {"pro": {"hit": 1, "miss": 1, "output": 1}}})"));
  CHECK(one.of("v4-flash") == nullptr);
  const PriceFile hour =
      read_price_file(folder.write("hour.json", R"({"currency": "CHF", "per_hour": 0.12})"));
  CHECK(hour.per_hour == 0.12);
  CHECK(hour.models.empty());
  // The dearest table and the longest answer stay within Picos.
  const TokenPrice dearest{1'000'000'000, 1'000'000'000, 1'000'000'000};
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  CHECK(price_of(dearest, kMost, kMost, kMost).total == 3 * kMost * 1'000'000'000);
}

TEST_CASE("what is wrong with a table is named") {
  const test::TempFolder folder;
  const auto model = [](const char* prices) {
    return std::string(R"({"currency": "USD", "models": {"m": )") + prices + "}}";
  };
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "bad.json"},
      {"[]", "prices"},
      {R"({"models": {}})", "currency"},
      {R"({"currency": "", "models": {}})", "currency"},
      {R"({"currency": "US\u0007", "models": {}})", "currency"},
      {R"({"currency": "USD"})", "models"},
      {R"({"currency": "USD", "models": {}})", "models"},
      {R"({"currency": "USD", "models": []})", "models"},
      {R"({"currency": "USD", "per_hour": -1})", "per_hour"},
      {model("5"), "models.m"},
      {model(R"({"hit": 1, "miss": 1})"), "models.m.output"},
      {model(R"({"hit": -1, "miss": 1, "output": 1})"), "models.m.hit"},
      {model(R"({"hit": 1, "miss": 1001, "output": 1})"), "models.m.miss"},
      {model(R"({"hit": 1, "miss": "nan", "output": 1})"), "models.m.miss"},
      {model(R"({"hit": 1, "miss": "1x", "output": 1})"), "models.m.miss"},
      {model(R"({"hit": 1, "miss": 1, "output": 0.0000001})"),
       "models.m.output: expected at most six decimals"},
      {R"({"currency": "USD", "models": {"m": {"hit": 1, "miss": 1, "output": 1},
        "M": {"hit": 1, "miss": 1, "output": 1}}})",
       "twice"},
  };
  for (const auto& [text, part] : cases) {
    CAPTURE(text);
    try {
      read_price_file(folder.write("bad.json", text));
      FAIL_CHECK("no error");
    } catch (const Error& error) {
      CHECK_MESSAGE(error.message().find(part) != std::string::npos, error.message());
      CHECK(error.message().find("bad.json") != std::string::npos);
      CHECK(error.message().find("expected") != std::string::npos);
    }
  }
}

}  // namespace fathom

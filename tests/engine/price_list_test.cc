// What answers cost: by a published table, by a file, by the hour.
#include "engine/price_list.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

std::string message_of(const std::string& table, double per_hour = 0) {
  try {
    (void)PriceList(table, per_hour);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a published table, timed ones by the start of the answer") {
  const ModelPrice price = PriceList().at("v4-flash", 0);
  CHECK(price.table == "deepseek-v4-flat");
  CHECK(price.currency == "USD");
  CHECK(decimal(price.of(6, 4, 5, 9, 9, 9).total) == "0.0000022512");
  const PriceList timed("deepseek-v4-timed");
  constexpr int64_t kMonday = 1'788'739'200;  // 2026-09-07 00:00 UTC
  CHECK(timed.at("v4-pro", kMonday).table == "deepseek-v4-offpeak");
  CHECK(timed.at("v4-pro", kMonday + 7200).table == "deepseek-v4-peak");
  CHECK(timed.name() == "deepseek-v4-timed");
}

TEST_CASE("a file of prices") {
  const test::TempFolder folder;
  const auto path = folder.write("mine.json", R"({"currency": "EUR", "models": {
    "flash": {"hit": 1, "miss": 2, "output": 3}}})");
  const PriceList list(path.string());
  CHECK(list.currency() == "EUR");
  CHECK(list.name() == "mine");
  const ModelPrice price = list.at("V4-Flash", 0);
  CHECK(price.currency == "EUR");
  const AnswerPrice answer = price.of(1'000'000, 1'000'000, 1'000'000, 5, 5, 5);
  CHECK(decimal(answer.cached_input) == "1");
  CHECK(decimal(answer.input) == "2");
  CHECK(decimal(answer.output) == "3");
  CHECK_THROWS_AS((void)list.at("v4-pro", 0), Error);
}

TEST_CASE("by the hour: the engine's seconds, divided as the answer's own were") {
  const ModelPrice price = PriceList("deepseek-v4-flat", 3600).at("m", 0);
  CHECK(price.table == "per-hour");
  const AnswerPrice answer = price.of(10, 10, 10, 4, 1, 3);
  CHECK(decimal(answer.input) == "1");
  CHECK(decimal(answer.cached_input) == "0");
  CHECK(decimal(answer.output) == "3");
  CHECK(decimal(answer.total) == "4");
  CHECK(price.of(10, 0, 0, 0, 0, 0).total == 0);
  CHECK(decimal(price.of(10, 0, 0, 2, 0, 0).input) == "2");

  const test::TempFolder folder;
  const PriceList own(folder.write("hour.json", R"({"currency": "CHF", "per_hour": 1.8})").string());
  CHECK(own.at("m", 0).currency == "CHF");
  CHECK(own.at("m", 0).table == "hour");
  CHECK(decimal(own.at("m", 0).of(1, 0, 1, 2000, 1000, 1000).total) == "1");
}

TEST_CASE("what is no price list is told by name") {
  const test::TempFolder folder;
  CHECK(message_of("deepseek-v5").find("deepseek-v4-flat") != std::string::npos);
  CHECK(message_of("none.json").find("none.json") != std::string::npos);
  CHECK(message_of("deepseek-v4-flat", -1).find("per hour") != std::string::npos);
  const auto bad = folder.write("bad.json", R"({"currency": "EUR", "models": {"m": {"hit": "x"}}})");
  const std::string message = message_of(bad.string());
  CHECK(message.find("bad.json") != std::string::npos);
  CHECK(message.find("prices.models.m.hit") != std::string::npos);
}

}  // namespace fathom

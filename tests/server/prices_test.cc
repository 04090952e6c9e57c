// Prices of one's own reach every place that names money.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using nlohmann::json;
using test::TestServer;

TEST_CASE("a price file in another currency") {
  const test::TempFolder folder;
  test::TestServerOptions options;
  options.service.prices = PriceList(folder
                                         .write("mine.json", R"({"currency": "a\"b", "models": {
    "default": {"hit": 1, "miss": 2, "output": 1000}}})")
                                         .string());
  const TestServer server(options);
  const auto answer = server.send(TestServer::post("/v1/chat/completions", test::chat_body("Hi.", 3)), true);
  REQUIRE(answer.status == 200);
  const json body = json::parse(answer.body);
  const json& cost = body.at("cost");
  const json& usage = body.at("usage");
  CHECK(cost.at("currency") == "a\"b");
  CHECK(cost.at("price_table") == "mine");
  const double expected = (2 * usage.at("prompt_cache_miss_tokens").get<double>() +
                           1 * usage.at("prompt_cache_hit_tokens").get<double>() +
                           1000 * usage.at("completion_tokens").get<double>()) /
                          1e6;
  CHECK(cost.at("total").get<double>() == doctest::Approx(expected).epsilon(1e-12));
  const std::string total = cost.at("total").dump();
  CHECK(test::eventually([&] {
    return server.send(TestServer::get("/metrics"), true)
               .body.find("\nfathom_cost_total{currency=\"a\\\"b\"} " + total + "\n") != std::string::npos;
  }));
  const json balance = json::parse(server.send(TestServer::get("/user/balance"), true).body);
  CHECK(balance.at("balance_infos").at(0).at("currency") == "a\"b");
  CHECK(json::parse(server.send(TestServer::get("/props"), true).body).at("currency") == "a\"b");
  const json plan = json::parse(server.send(TestServer::post("/plan", test::chat_body("Hi.", 3)), true).body);
  CHECK(plan.at("cost").at("max").at("output").get<double>() == doctest::Approx(0.003));
}

TEST_CASE("the machine's price per hour") {
  test::TestServerOptions options;
  options.service.prices = PriceList("deepseek-v4-flat", 3600);  // 1 per second
  const TestServer server(options);
  const auto answer = server.send(TestServer::post("/v1/chat/completions", test::chat_body("Hi.", 8)), true);
  REQUIRE(answer.status == 200);
  const json body = json::parse(answer.body);
  const json& cost = body.at("cost");
  CHECK(cost.at("price_table") == "per-hour");
  CHECK(cost.at("total").get<double>() > 0);
  CHECK(cost.at("cached_input") == 0);
  CHECK(cost.at("total").get<double>() == doctest::Approx(cost.at("seconds").get<double>()).epsilon(1e-3));
  CHECK(cost.at("total").get<double>() ==
        doctest::Approx(cost.at("input").get<double>() + cost.at("output").get<double>()).epsilon(1e-12));
}

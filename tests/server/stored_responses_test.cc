// Stored responses: fetched, gone on from, referred to, forgotten; by their own key alone.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "server/service/response_store.h"
#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using nlohmann::json;
using server::ResponseStore;
using server::ResponseStoreOptions;
using server::StoredResponse;
using test::TestServer;

namespace {

json ask(const TestServer& server, json body, const std::string& headers = "", int status = 200) {
  body["model"] = "v4-10m";
  body["seed"] = 1;
  body["max_output_tokens"] = 5;
  body["reasoning"] = {{"effort", "none"}};
  const auto answer = server.send(TestServer::post("/v1/responses", body.dump(), headers), true);
  CHECK_MESSAGE(answer.status == status, answer.body);
  return json::parse(answer.body);
}

json get(const TestServer& server, const std::string& target, int status = 200,
         const std::string& headers = "") {
  const auto answer = server.send(TestServer::get(target, headers), true);
  CHECK_MESSAGE(answer.status == status, answer.body);
  return json::parse(answer.body);
}

int erase(const TestServer& server, const std::string& target) {
  return server
      .send(fmt::format("DELETE {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target), true)
      .status;
}

json prompt_of(const TestServer& server, json body) {
  body["model"] = "v4-10m";
  body["reasoning"] = {{"effort", "none"}};
  return json::parse(server.send(TestServer::post("/apply_template", body.dump()), true).body).at("prompt");
}

StoredResponse response(const std::string& id, int64_t created, size_t bytes = 10) {
  StoredResponse r;
  r.id = id;
  r.key = "k";
  r.created = created;
  r.body = JsonValue::Object{{"text", std::string(bytes, 'x')}};
  return r;
}

}  // namespace

TEST_CASE("a response is stored, and the next one goes on from it") {
  const TestServer server;
  const json first = ask(server, {{"input", "Compute 2 + 2."}, {"metadata", {{"a", "b"}}}});
  CHECK(first.at("store") == true);
  const std::string id = first.at("id");
  CHECK(get(server, "/v1/responses/" + id) == first);
  CHECK(get(server, "/responses/" + id).at("metadata").at("a") == "b");
  get(server, "/v1/responses/" + id + "?stream=true", 400);

  const json second = ask(server, {{"input", "And 3 + 3?"}, {"previous_response_id", id}});
  CHECK(second.at("previous_response_id") == id);
  const json items =
      get(server, "/v1/responses/" + second.at("id").get<std::string>() + "/input_items?order=asc");
  REQUIRE(items.at("data").size() == 3);
  CHECK(items.at("data").at(0).at("content") == "Compute 2 + 2.");
  CHECK(items.at("data").at(1) == first.at("output").at(0));
  CHECK(items.at("data").at(2).at("content") == "And 3 + 3?");
  CHECK(items.at("has_more") == false);
  CHECK(items.at("first_id") == items.at("data").at(0).at("id"));
  const std::string of = "/v1/responses/" + second.at("id").get<std::string>() + "/input_items";
  const json page = get(server, of + "?limit=1");
  CHECK(page.at("data").at(0) == items.at("data").at(2));
  CHECK(page.at("has_more") == true);
  CHECK(get(server, of + "?limit=1&after=" + page.at("last_id").get<std::string>()).at("data").at(0) ==
        items.at("data").at(1));
  get(server, of + "?after=none", 400);
  get(server, of + "?order=up", 400);

  // The same prompt as with everything sent again, or referred to.
  const json again = {{{"role", "user"}, {"content", "Compute 2 + 2."}},
                      first.at("output").at(0),
                      {{"role", "user"}, {"content", "And 3 + 3?"}}};
  const json referred = {{{"type", "item_reference"}, {"id", items.at("first_id")}},
                         {{"type", "item_reference"}, {"id", first.at("output").at(0).at("id")}},
                         {{"role", "user"}, {"content", "And 3 + 3?"}}};
  const json prompt = prompt_of(server, {{"input", again}});
  CHECK(prompt_of(server, {{"input", "And 3 + 3?"}, {"previous_response_id", id}}) == prompt);
  CHECK(prompt_of(server, {{"input", referred}}) == prompt);
  CHECK(second.at("output").at(0).at("content") ==
        ask(server, {{"input", again}}).at("output").at(0).at("content"));

  CHECK(erase(server, "/v1/responses/" + id) == 200);
  CHECK(erase(server, "/v1/responses/" + id) == 404);
  CHECK(get(server, "/v1/responses/" + id, 404).at("error").at("code") == "response_not_found");
  const json gone = ask(server, {{"input", "x"}, {"previous_response_id", id}}, "", 400);
  CHECK(gone.at("error").at("code") == "previous_response_not_found");
  get(server, of);  // what went on from it has it still
  CHECK(server
            .send(TestServer::post("/v1/responses/" + second.at("id").get<std::string>() + "/cancel", "{}"),
                  true)
            .status == 400);
}

TEST_CASE("a streamed response is stored before its end is read") {
  const TestServer server;
  const auto stream =
      server.send(TestServer::post("/v1/responses",
                                   R"({"model":"v4-10m","input":"Hi.","max_output_tokens":5,"stream":true,)"
                                   R"("reasoning":{"effort":"none"}})"),
                  true);
  const size_t at = stream.body.find("\"id\":\"resp_");
  REQUIRE(at != std::string::npos);
  const std::string id = stream.body.substr(at + 6, 37);
  CHECK(get(server, "/v1/responses/" + id).at("id") == id);
}

TEST_CASE("nothing is stored where nothing shall be") {
  const TestServer server;
  const json kept = ask(server, {{"input", "Hi."}, {"store", false}});
  CHECK(kept.at("store") == false);
  get(server, "/v1/responses/" + kept.at("id").get<std::string>(), 404);
  const json bad = ask(
      server, {{"input", {{{"type", "item_reference"}, {"id", kept.at("output").at(0).at("id")}}}}}, "", 400);
  CHECK(bad.at("error").at("param") == "input[0].id");

  test::TestServerOptions options;
  options.service.store.off = true;
  const TestServer without(options);
  const json lost = ask(without, {{"input", "Hi."}});
  CHECK(lost.at("store") == false);
  get(without, "/v1/responses/" + lost.at("id").get<std::string>(), 404);
}

TEST_CASE("keys do not see each other's, and a file outlives the server") {
  const test::TempFolder folder;
  test::TestServerOptions options;
  options.keys = folder.path() / "keys.toml";
  options.service.store.path = folder.path() / "store.sqlite";
  const auto bearer = [&](const char* id) {
    server::KeyEntry entry;
    entry.id = id;
    return "Authorization: Bearer " + server::Keys::add(options.keys, entry) + "\r\n";
  };
  const std::string alice = bearer("alice"), bob = bearer("bob");
  std::string id;
  {
    const TestServer server(options);
    id = ask(server, {{"input", "Hi."}}, alice).at("id");
    get(server, "/v1/responses/" + id, 404, bob);
    get(server, "/v1/responses/" + id + "/input_items", 404, bob);
    CHECK(ask(server, {{"input", "x"}, {"previous_response_id", id}}, bob, 400).at("error").at("code") ==
          "previous_response_not_found");
  }
  const TestServer server(options);
  CHECK(get(server, "/v1/responses/" + id, 200, alice).at("id") == id);
  get(server, "/v1/responses/" + id, 404, bob);
}

TEST_CASE("the store is bounded in time and size") {
  const test::TempFolder folder;
  ResponseStoreOptions options;
  options.path = folder.path() / "store.sqlite";
  options.bytes = 1000;
  const auto now = static_cast<int64_t>(std::time(nullptr));
  {
    ResponseStore store(options);
    store.put(response("old", now - 90'000));
    for (int i = 0; i < 4; ++i) store.put(response(fmt::format("r{}", i), now - 10 + i, 300));
    store.put(response("huge", now, 2000));
  }
  ResponseStore store(options);
  CHECK_FALSE(store.find("k", "old"));
  CHECK_FALSE(store.find("k", "r0"));
  CHECK(store.find("k", "r1"));
  CHECK(store.find("k", "r3"));
  CHECK_FALSE(store.find("k", "huge"));
  CHECK_FALSE(store.find("other", "r3"));
  CHECK_FALSE(store.erase("other", "r3"));
  CHECK(store.erase("k", "r3"));
  CHECK_FALSE(store.find("k", "r3"));
  CHECK_FALSE(store.find_item("k", "x"));
}

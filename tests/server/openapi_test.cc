// The document of the API and the routes: each has the other's paths and methods, references have targets,
// and answers of a real server are of the documented kind.
#include "server/service/openapi.h"

#include <doctest/doctest.h>

#include <set>

#include "base/error.h"
#include "server/service/routes.h"
#include "tests/server/test_server.h"

using namespace fathom;
using test::Answer;
using test::chat_body;
using test::TestServer;

namespace {

std::string with_id(const std::string& path) {
  const size_t at = path.find("{id}");
  return at == std::string::npos ? path : path.substr(0, at) + "x-1" + path.substr(at + 4);
}

void collect_references(const JsonValue& value, std::set<std::string>& out) {
  if (const auto* list = value.as_array()) {
    for (const JsonValue& item : *list) collect_references(item, out);
  }
  if (const auto* members = value.as_object()) {
    for (const JsonMember& member : *members) {
      if (member.key == "$ref" && member.value.as_string()) out.insert(*member.value.as_string());
      collect_references(member.value, out);
    }
  }
}

const JsonValue& at(const JsonValue& value, std::initializer_list<const char*> keys) {
  const JsonValue* found = &value;
  for (const char* key : keys) {
    found = found->find(key);
    if (!found) FAIL("no member " << key);
  }
  return *found;
}

}  // namespace

TEST_CASE("every route is documented, and every documented path is a route") {
  const JsonValue document = server::openapi_document("1.2.3", {"m"});
  const JsonValue& paths = at(document, {"paths"});
  std::set<std::string> described;
  for (const JsonMember& path : *paths.as_object()) {
    CAPTURE(path.key);
    described.insert(path.key);
    const auto match = server::find_route(with_id(path.key));
    REQUIRE(match);
    for (const JsonMember& operation : *path.value.as_object()) {
      if (operation.key == "x-aliases") {
        for (const JsonValue& alias : *operation.value.as_array()) {
          CAPTURE(*alias.as_string());
          described.insert(*alias.as_string());
          const auto other = server::find_route(with_id(*alias.as_string()));
          REQUIRE(other);
          CHECK(other->route == match->route);
        }
        continue;
      }
      std::string method = operation.key;
      for (char& c : method) c = static_cast<char>(c - 32);
      CHECK(match->methods.find(method) != std::string_view::npos);
      CHECK(operation.value.find("summary"));
      CHECK(operation.value.find("responses"));
    }
  }
  for (const server::PathRow& row : server::all_paths()) {
    CAPTURE(row.path);
    CHECK(described.contains(row.path));
    const auto match = server::find_route(with_id(row.path));
    REQUIRE(match);
    CHECK(match->route == row.route);
  }
}

TEST_CASE("references of the document have their targets, and schemas are used") {
  const JsonValue document = server::openapi_document("1.2.3", {"m"});
  const JsonValue& schemas = at(document, {"components", "schemas"});
  std::set<std::string> references, names;
  collect_references(document, references);
  for (const std::string& reference : references) {
    CAPTURE(reference);
    REQUIRE(reference.starts_with("#/components/schemas/"));
    names.insert(reference.substr(21));
    CHECK(schemas.find(reference.substr(21)));
  }
  std::set<std::string> defined;
  for (const JsonMember& schema : *schemas.as_object()) {
    CAPTURE(schema.key);
    CHECK(defined.insert(schema.key).second);
    CHECK(names.contains(schema.key));
  }
}

TEST_CASE("the document is served, without a key") {
  const TestServer server;
  const Answer answer = server.send(TestServer::get("/openapi.json"), true);
  REQUIRE(answer.status == 200);
  const JsonValue document = parse_json_value(answer.body);
  CHECK(*at(document, {"openapi"}).as_string() == "3.1.0");
  CHECK(answer.body.find("\"deepseek-v4-flash\"") != std::string::npos);
}

TEST_CASE("what a request would take") {
  const TestServer server;
  const auto plan = [&](const std::string& body, const std::string& path = "/plan") {
    const Answer answer = server.send(TestServer::post(path, body), true);
    CAPTURE(answer.body);
    CHECK(answer.status == 200);
    return parse_json_value(answer.body);
  };
  const auto count = [](const JsonValue& value, const char* name) {
    return std::stoll(at(value, {name}).as_integer()->digits);
  };
  const std::string body = chat_body("Compute 12 + 34.", 40);
  const JsonValue before = plan(body);
  CHECK(count(before, "cached_tokens") == 0);
  CHECK(count(before, "max_tokens") == 40);
  CHECK(count(before, "prompt_tokens") > 5);
  CHECK(count(before, "kv_bytes") > 0);
  CHECK(*at(before, {"fits"}).as_bool());
  CHECK(at(before, {"seconds", "prefill"}).is_null());
  const Answer answer = server.send(TestServer::post("/v1/chat/completions", body), true);
  CHECK(answer.status == 200);
  const JsonValue real = parse_json_value(answer.body);
  CHECK(at(real, {"usage", "prompt_tokens"}) == at(before, {"prompt_tokens"}));
  const JsonValue after = plan(body);
  CHECK(count(after, "cached_tokens") == count(before, "prompt_tokens") - 1);
  CHECK_FALSE(at(after, {"seconds", "prefill"}).is_null());
  CHECK(*at(after, {"flops"}).as_float() < *at(before, {"flops"}).as_float());
  CHECK(count(plan(R"({"model":"v4-10m","input":"Compute 1 + 2."})"), "prompt_tokens") > 0);
  CHECK(count(plan(R"({"model":"v4-10m","prompt":["a","b"],"max_tokens":3})"), "max_tokens") == 6);
  std::string words;
  for (int i = 0; i < 70'000; ++i) words += "9 ";
  const JsonValue large = plan(R"({"model":"v4-10m","prompt":")" + words + R"("})");
  CHECK_FALSE(*at(large, {"fits"}).as_bool());
  CHECK(server.send(TestServer::post("/plan", "{}"), true).status == 400);
  CHECK(server.send(TestServer::post("/plan?as=x", body), true).status == 400);

  const Answer table = server.send(TestServer::get("/plan?context=1024&output=16"), true);
  CHECK(table.status == 200);
  CHECK(table.body.find("v4-10m") != std::string::npos);
  CHECK(server.send(TestServer::get("/plan?context=x"), true).status == 400);
  CHECK(server.send(TestServer::get("/plan?model=none"), true).status == 404);
}

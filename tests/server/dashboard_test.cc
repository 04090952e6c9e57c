// The dashboard asks for metrics that there are.
#include <doctest/doctest.h>

#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/server/test_server.h"
#include "text/python_json.h"

using namespace fathom;
using test::TestServer;

namespace {

// The names of metrics in an expression of Prometheus' language.
void add_names(const std::string& expression, std::set<std::string>& out) {
  for (size_t at = 0; at < expression.size();) {
    size_t end = at;
    while (end < expression.size() &&
           (std::isalnum(static_cast<unsigned char>(expression[end])) != 0 || expression[end] == '_'))
      ++end;
    const std::string word = expression.substr(at, end - at);
    if (word.starts_with("fathom_") || word.starts_with("process_")) out.insert(word);
    at = end + 1;
  }
}

void add_expressions(const JsonValue& value, std::set<std::string>& out) {
  if (const auto* list = value.as_array()) {
    for (const JsonValue& item : *list) add_expressions(item, out);
  }
  if (const auto* members = value.as_object()) {
    for (const JsonMember& member : *members) {
      if (member.key == "expr") add_names(*member.value.as_string(), out);
      add_expressions(member.value, out);
    }
  }
}

}  // namespace

TEST_CASE("every metric of the dashboard exists") {
  std::ifstream file(FATHOM_SOURCE_DIR "/share/grafana/fathom.json");
  std::ostringstream text;
  text << file.rdbuf();
  std::set<std::string> names;
  add_expressions(parse_json_value(text.str()), names);
  CHECK(names.size() > 10);
  const TestServer server;
  const std::string chat = TestServer::post("/v1/chat/completions", test::chat_body("a", 2));
  CHECK(server.send(chat, true).status == 200);
  test::Answer metrics;
  CHECK(test::eventually([&] {
    metrics = server.send(TestServer::get("/metrics"), true);
    return metrics.body.find("fathom_request_seconds_count") != std::string::npos;
  }));
  for (const std::string& name : names) {
    CAPTURE(name);
    const bool found = metrics.body.find("\n" + name + " ") != std::string::npos ||
                       metrics.body.find("\n" + name + "{") != std::string::npos;
    CHECK(found);
  }
}

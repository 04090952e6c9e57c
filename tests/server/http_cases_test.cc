// The server over HTTP: hostile input from tests/http, each case with its answer, and a good request after
// it.
#include <doctest/doctest.h>

#include <fstream>

#include "base/error.h"
#include "server/api/json_text.h"
#include "tests/server/test_server.h"
#include "text/python_json.h"

using namespace fathom;
using test::Answer;
using test::TestServer;

namespace {

std::string word(const JsonValue* value) { return value && value->as_string() ? *value->as_string() : ""; }
int64_t number(const JsonValue* value) {
  return value && value->as_integer() ? std::stoll(value->as_integer()->digits) : 0;
}

std::string repeated(const std::string& text, int64_t times) {
  std::string out;
  out.reserve(text.size() * static_cast<size_t>(times));
  for (int64_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string body_of(const JsonValue& test_case) {
  if (const JsonValue* raw = test_case.find("raw")) return word(raw);
  if (const JsonValue* parts = test_case.find("repeat")) {
    const JsonValue::Array& p = *parts->as_array();
    return word(&p[0]) + repeated(word(&p[1]), number(&p[2])) + word(&p[3]);
  }
  const JsonValue* body = test_case.find("body");
  return body ? server::compact_json(*body) : "";
}

// Code points up to U+00FF as bytes.
std::string as_bytes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == 0xC2 || c == 0xC3) {
      out += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("hostile requests get their answers, and the next one is served") {
  const TestServer server;
  std::ifstream lines(FATHOM_SOURCE_DIR "/tests/http/requests.jsonl");
  int64_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const JsonValue test_case = parse_json_value(line, JsonDialect::serde);
    CAPTURE(number(test_case.find("n")));
    CAPTURE(word(test_case.find("name")));
    const std::string body = body_of(test_case);
    const JsonValue* method = test_case.find("method");
    const JsonValue* path = test_case.find("path");
    std::string request = fmt::format("{} {} HTTP/1.1\r\n", method ? word(method) : "POST",
                                      path ? word(path) : "/v1/chat/completions");
    std::string host = "Host: localhost\r\n";
    if (const JsonValue* headers = test_case.find("headers")) {
      for (const JsonMember& header : *headers->as_object()) {
        if (header.key == "host") host.clear();
        request += header.key + ": " + word(&header.value) + "\r\n";
      }
    } else {
      request += "Content-Type: application/json\r\n";
    }
    request += fmt::format("{}Connection: close\r\nContent-Length: {}\r\n\r\n", host, body.size());
    const Answer answer = server.send(request + body, true);
    CAPTURE(answer.body.substr(0, 300));
    CHECK(answer.status == number(test_case.find("status")));
    CHECK(answer.head.find("x-request-id: req_") != std::string::npos);
    if (answer.status >= 400) {
      const JsonValue error = parse_json_value(answer.body, JsonDialect::serde);
      const JsonValue* inner = error.find("error");
      REQUIRE(inner);
      CHECK_FALSE(word(inner->find("message")).empty());
      for (const char* key : {"code", "param"}) {
        if (const JsonValue* expected = test_case.find(key)) CHECK(word(inner->find(key)) == word(expected));
      }
      if (const JsonValue* start = test_case.find("message"))
        CHECK(word(inner->find("message")).starts_with(word(start)));
    }
    server.check_good();
  }
  CHECK(cases > 200);
}

TEST_CASE("what is no good HTTP is answered and cut off") {
  const TestServer server;
  std::ifstream lines(FATHOM_SOURCE_DIR "/tests/http/raw.jsonl");
  int64_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const JsonValue test_case = parse_json_value(line, JsonDialect::serde);
    CAPTURE(number(test_case.find("n")));
    CAPTURE(word(test_case.find("name")));
    std::string bytes = as_bytes(word(test_case.find("send")));
    if (const JsonValue* repeat = test_case.find("repeat")) {
      const JsonValue::Array& p = *repeat->as_array();
      bytes.replace(bytes.find('@'), 1, repeated(word(&p[0]), number(&p[1])));
    }
    const bool closes = !test_case.find("closes");
    const Answer answer = server.send(bytes, closes);
    CAPTURE(answer.head);
    CHECK(answer.status == number(test_case.find("status")));
    if (closes) CHECK(answer.closed);
    server.check_good();
  }
  CHECK(cases > 40);
}

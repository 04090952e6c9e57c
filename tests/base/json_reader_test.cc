// Field access over outside JSON: what each accessor takes, and the messages of what it refuses.
#include "base/json_reader.h"

#include <doctest/doctest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace fathom {
namespace {

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_input);
    return error.message();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("values and their paths") {
  const auto document = parse_json(R"({"a": {"b": [1, 2.0, -3]}, "s": "x", "t": true, "n": null, "d": 0.5})");
  const JsonField root(document, "");
  const auto list = root.at("a").at("b").elements(3);
  CHECK(list[1].integer(0, 10) == 2);  // 2.0 is an integer
  CHECK(list[2].integer(-3, 0) == -3);
  CHECK(list[2].path() == "a.b[2]");
  CHECK(root.at("s").text() == "x");
  CHECK(root.at("t").boolean());
  CHECK(root.at("d").number(0, 1) == 0.5);
  CHECK_FALSE(root.find("n").has_value());
  CHECK_FALSE(root.find("nothing").has_value());

  CHECK(message_of([&] { root.at("n"); }) == "n: expected a value, found null");
  CHECK(message_of([&] { root.at("a").at("c"); }) == "a.c: expected a value, found nothing");
  CHECK(message_of([&] { root.at("s").find("x"); }) == "s: expected an object, found \"x\"");
  CHECK(message_of([&] { list[2].integer(0, 5); }) == "a.b[2]: expected an integer from 0 to 5, found -3");
  CHECK(message_of([&] { root.at("d").integer(0, 5); }) == "d: expected an integer from 0 to 5, found 0.5");
  CHECK(message_of([&] { root.at("d").number(1, 2); }) == "d: expected a number from 1 to 2, found 0.5");
  CHECK(message_of([&] { root.at("a").text(); }) == "a: expected a string, found an object");
  CHECK(message_of([&] { root.at("d").boolean(); }) == "d: expected true or false, found 0.5");
  CHECK(message_of([&] { root.at("a").at("b").elements(2); }) ==
        "a.b: expected a list of at most 2, found a list of 3");
}

TEST_CASE("integers at the edges of 64 bits") {
  constexpr int64_t kLow = std::numeric_limits<int64_t>::min(), kHigh = std::numeric_limits<int64_t>::max();
  const auto document = parse_json(
      "[9223372036854775807, -9223372036854775808, 9223372036854775808, 9007199254740994.0, 1e300, -1e300]");
  const auto list = JsonField(document, "x").elements(6);
  CHECK(list[0].integer(kLow, kHigh) == kHigh);
  CHECK(list[1].integer(kLow, kHigh) == kLow);
  for (size_t i = 2; i < 6; ++i) CHECK(message_of([&] { list[i].integer(kLow, kHigh); }) != "accepted");
}

TEST_CASE("bounds of the parser") {
  CHECK(message_of([] { parse_json("[[1]]", 2); }) == "accepted");
  CHECK(message_of([] { parse_json("[[[1]]]", 2); }) == "JSON: expected at most 2 levels, found more");
  CHECK(message_of([] { parse_json("[1, 2]", 4, 5); }) == "JSON: expected at most 5 bytes, found 6");
  CHECK(message_of([] { parse_json("[1e400]"); }) ==
        "JSON: expected numbers within double precision, found one that overflows");
  CHECK(message_of([] { parse_json("[1] 2"); }).starts_with("JSON: expected a valid document"));
}

}  // namespace fathom

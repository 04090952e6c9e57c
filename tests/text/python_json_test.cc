// JSON as Python's json module reads and writes it. Expected values come from Python 3.11
// (json.dumps(json.loads(x), ensure_ascii=False)); the serde column from golden/api/README.md items 11
// and 12.
#include "text/python_json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace fathom {
namespace {

TEST_CASE("python: values are written as json.dumps writes them") {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"1e5", "100000.0"},
      {"1.0", "1.0"},
      {"2.50", "2.5"},
      {"1e21", "1e+21"},
      {"1e-7", "1e-07"},
      {"1e16", "1e+16"},
      {"123456789012345680.0", "1.2345678901234568e+17"},
      {"9999999999999998.0", "9999999999999998.0"},
      {"0.0001", "0.0001"},
      {"0.00001", "1e-05"},
      {"1.5e300", "1.5e+300"},
      {"-0.0", "-0.0"},
      {"-0", "0"},
      {"0", "0"},
      {"-17", "-17"},
      {"5e-324", "5e-324"},
      {"0.1", "0.1"},
      {"123.456", "123.456"},
      {"1e999", "Infinity"},
      {"-1e999", "-Infinity"},
      {"1e-999", "0.0"},
      {"NaN", "NaN"},
      {"-Infinity", "-Infinity"},
      {"123456789012345678901234567890", "123456789012345678901234567890"},
      {"  [1,2 , 3]\n", "[1, 2, 3]"},
      {"{\"a\":1,\"b\":[],\"a\":{\"c\":null}}", "{\"a\": {\"c\": null}, \"b\": []}"},
      {"\"\\u00e9\\ud83d\\ude00\\n\\u007f\\u001f\\/\"", "\"é😀\\n\x7f\\u001f/\""},
      {"\"\\ud83d\"", "\"\xEF\xBF\xBD\""},
      {"\"\\ude00x\"", "\"\xEF\xBF\xBDx\""},
      {"\"\\ud83d\\u0041\"",
       "\"\xEF\xBF\xBD"
       "A\""},
      {"[true,false,null]", "[true, false, null]"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(dump_json(parse_json_value(text)) == expected);
  }
}

TEST_CASE("serde: numbers as the API converter writes them") {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"1e-7", "1e-7"},
      {"0.00001", "0.00001"},
      {"1e16", "1e+16"},
      {"1000000000000000.0", "1000000000000000.0"},
      {"-0", "-0.0"},
      {"18446744073709551615", "18446744073709551615"},
      {"18446744073709551616", "1.8446744073709552e+19"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"-9223372036854775809", "-9.223372036854776e+18"},
      {"1.50", "1.5"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(dump_json(parse_json_value(text, JsonDialect::serde), JsonDialect::serde) == expected);
  }
  for (const char* refused : {"NaN", "Infinity", "1e309", "\"\\ud800\"", "[-Infinity]"}) {
    CAPTURE(refused);
    CHECK_THROWS_AS(parse_json_value(refused, JsonDialect::serde), Error);
  }
}

TEST_CASE("every double reads back from its text") {
  for (int exponent = -1074; exponent < 1024; ++exponent) {
    for (const double value : {std::ldexp(1.0, exponent), std::nextafter(std::ldexp(1.0, exponent), 0.0)}) {
      for (const JsonDialect dialect : {JsonDialect::python, JsonDialect::serde}) {
        const std::string text = float_text(value, dialect);
        CAPTURE(text);
        CHECK(std::strtod(text.c_str(), nullptr) == value);
        CHECK(text.find_first_of(".e") != std::string::npos);
      }
    }
  }
}

TEST_CASE("what is not JSON is refused") {
  for (const char* text : {"",
                           " ",
                           "01",
                           "1.",
                           ".5",
                           "+1",
                           "-",
                           "1e",
                           "tru",
                           "nan",
                           "'a'",
                           "{a: 1}",
                           "{\"a\" 1}",
                           "{\"a\": 1,}",
                           "[1,]",
                           "[1 2]",
                           "\"a",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"\n\"",
                           "{} {}",
                           "{\"a\": 1",
                           "\xEF\xBB\xBF{}",
                           "\"\xFF\"",
                           "\"\\ud8\"",
                           "[",
                           "{",
                           "\"\\"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_json_value(text), Error);
  }
  CHECK_THROWS_WITH(parse_json_value("{\"a\": x}"), "json: expected a value, found 'x}' at byte 6");
}

TEST_CASE("nesting is bounded") {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK_NOTHROW(parse_json_value(nested(512)));
  CHECK_THROWS_AS(parse_json_value(nested(513)), Error);
  CHECK_THROWS_AS(parse_json_value(std::string(1'000'000, '[')), Error);
  CHECK_THROWS_AS(parse_json_value(nested(4), JsonDialect::python, 3), Error);
}

TEST_CASE("a call says by its name which reader it means, where both headers are seen") {
  CHECK(dump_json(parse_json_value("[1e5]")) == "[100000.0]");
  CHECK_NOTHROW(parse_json("[1e5]"));
}

TEST_CASE("members and truth") {
  const JsonValue value = parse_json_value("{\"a\": 0, \"b\": [0], \"c\": 0.0, \"d\": \"\"}");
  CHECK_FALSE(value.find("a")->truthy());
  CHECK(value.find("b")->truthy());
  CHECK_FALSE(value.find("c")->truthy());
  CHECK_FALSE(value.find("d")->truthy());
  CHECK(value.find("e") == nullptr);
  CHECK(value.find("b")->find("a") == nullptr);
  CHECK(std::string(value.kind()) == "object");
}

}  // namespace
}  // namespace fathom

#include "text/utf8_stream.h"

#include <doctest/doctest.h>

#include <random>

namespace fathom {
namespace {

std::string replaced(std::string_view bytes) {
  std::string out;
  append_valid_utf8(bytes, out);
  return out;
}

TEST_CASE("one U+FFFD per maximal subpart (Unicode chapter 3, table 3-8, and its neighbours)") {
  CHECK(replaced("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(replaced("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41") ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(replaced("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42") ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41\uFFFD\uFFFD\x42");
  CHECK(replaced("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(replaced("aé中😀") == "aé中😀");
  CHECK(replaced("").empty());
}

TEST_CASE("any cut of any bytes gives the same text, and only whole characters") {
  const std::string_view units[] = {"a",        "é",    "中",       "😀",   "\xE4",    "\xBD",
                                    "\xF0\x9F", "\xC3", "\xED\xA0", "\xFF", "\xF4\x90"};
  std::mt19937 random(3);
  std::uniform_int_distribution<size_t> any(0, std::size(units) - 1), step(1, 4);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += units[any(random)];
    Utf8Stream stream;
    std::string joined;
    bool whole = true;
    for (size_t at = 0; at < bytes.size();) {
      const size_t count = step(random);
      const std::string part = stream.push(std::string_view(bytes).substr(at, count));
      whole = whole && is_valid_utf8(part);
      joined += part;
      at += count;
    }
    joined += stream.finish();
    REQUIRE(whole);
    REQUIRE(joined == replaced(bytes));
    REQUIRE(stream.finish().empty());
  }
}

TEST_CASE("a character comes out with its last byte, not later") {
  Utf8Stream stream;
  CHECK(stream.push("\xF0\x9F").empty());
  CHECK(stream.push("\x98").empty());
  CHECK(stream.push("\x80") == "😀");
  CHECK(stream.push("\xE4\xBD") == "");
  CHECK(stream.push("x") == "\uFFFDx");
  CHECK(stream.push("\xE4\xBD") == "");
  CHECK(stream.finish() == "\uFFFD");
}

}  // namespace
}  // namespace fathom

// Stop strings: whatever the pieces, the shown text ends where the first stop string begins.
#include "engine/stop.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace fathom;

namespace {

std::string shown(const std::vector<std::string>& stops, const std::string& text, size_t piece,
                  std::string* matched = nullptr) {
  StopMatcher matcher(stops);
  std::string out;
  for (size_t i = 0; i < text.size(); i += piece) {
    const std::string safe = matcher.push(text.substr(i, piece));
    out += safe;
    // No part of a stop string may ever be shown.
    for (const std::string& stop : stops) CHECK(out.find(stop) == std::string::npos);
  }
  out += matcher.finish();
  if (matched) *matched = matcher.matched().value_or("");
  return out;
}

}  // namespace

TEST_CASE("stop strings in any cut") {
  for (size_t piece = 1; piece <= 12; ++piece) {
    CAPTURE(piece);
    std::string matched;
    CHECK(shown({"END"}, "one two END three", piece, &matched) == "one two ");
    CHECK(matched == "END");
    CHECK(shown({"END"}, "one EN D EEND", piece) == "one EN D E");
    CHECK(shown({"aab"}, "aaab", piece) == "a");
    CHECK(shown({"abcd", "c"}, "xabcd", piece, &matched) == "xab");  // the first that is complete
    CHECK(matched == "c");
    CHECK(shown({"b", "ab"}, "xab", piece, &matched) == "x");
    CHECK(shown({"\n\n", "stop"}, "a\nb\n\nc stop", piece, &matched) == "a\nb");
    CHECK(matched == "\n\n");
    CHECK(shown({"xyz"}, "ends in xy", piece, &matched) == "ends in xy");
    CHECK(matched.empty());
    CHECK(shown({}, "nothing to stop at", piece) == "nothing to stop at");
  }
}

TEST_CASE("two stop strings in one piece: the earlier wins") {
  std::string matched;
  CHECK(shown({"three", "two"}, "one two three", 100, &matched) == "one ");
  CHECK(matched == "two");
}

TEST_CASE("an empty stop string is refused") { CHECK_THROWS_AS(StopMatcher({""}), Error); }

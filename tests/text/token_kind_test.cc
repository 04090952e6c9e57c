// Kinds of tokens, on the bundled vocabulary's own pieces.
#include "text/token_kind.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace fathom {

TEST_CASE("the kind of a token is that of its first character") {
  const auto tokenizer = Tokenizer::open(std::filesystem::path(FATHOM_SOURCE_DIR) / "models/v4-10m");
  const auto kinds = token_kinds(*tokenizer);
  REQUIRE(std::ssize(kinds) == tokenizer->vocab_size());
  const auto first = [&](const char* text) {
    const auto ids = tokenizer->encode(text, true);
    REQUIRE(!ids.empty());
    return name(kinds[static_cast<size_t>(ids[0])]);
  };
  CHECK(first(" the") == "word");
  CHECK(first("ing") == "part");
  CHECK(first("7") == "number");
  CHECK(first(",") == "mark");
  CHECK(first("\n\n") == "space");
  CHECK(first("</think>") == "special");
  CHECK(first("\x01") == "other");
  // Every kind occurs, and no id is without one.
  std::array<int64_t, kTokenKinds> counts{};
  for (const TokenKind kind : kinds) ++counts[static_cast<size_t>(kind)];
  CHECK(std::ranges::all_of(counts, [](int64_t count) { return count > 0; }));
}

}  // namespace fathom

#pragma once
/// What kind of text a token is, for statistics of who handles what.

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace fathom {

enum class TokenKind : uint8_t {
  word,     ///< a word's beginning: letters after a space
  part,     ///< letters without one: a word's inside or end, or its beginning after a line's end
  number,   ///< begins with a digit
  mark,     ///< punctuation
  space,    ///< blanks and line ends alone
  special,  ///< markup: BOS, turns, think
  other,    ///< pieces of characters, control characters
};
inline constexpr int64_t kTokenKinds = 7;
std::string_view name(TokenKind kind);

/// The kind of every id of a tokenizer.
std::vector<TokenKind> token_kinds(const Tokenizer& tokenizer);

}  // namespace fathom

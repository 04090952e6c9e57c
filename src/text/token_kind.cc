#include "text/token_kind.h"

namespace fathom {
namespace {

TokenKind kind_of(std::string_view bytes) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  if (bytes.empty()) return TokenKind::other;
  if (first == bytes.npos) return TokenKind::space;
  const auto c = static_cast<unsigned char>(bytes[first]);
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') return first > 0 ? TokenKind::word : TokenKind::part;
  if (c >= '0' && c <= '9') return TokenKind::number;
  if (c >= 0xc2) {  // the first byte of a character beyond ASCII: counted as a letter
    return first > 0 ? TokenKind::word : TokenKind::part;
  }
  return c > ' ' && c < 0x7f ? TokenKind::mark : TokenKind::other;
}

}  // namespace

std::string_view name(TokenKind kind) {
  constexpr std::string_view kNames[kTokenKinds] = {"word",  "part",    "number", "mark",
                                                    "space", "special", "other"};
  return kNames[static_cast<size_t>(kind)];
}

std::vector<TokenKind> token_kinds(const Tokenizer& tokenizer) {
  std::vector<TokenKind> kinds;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    // Think's markup is an added token, too, though the file does not call it special.
    const std::string_view bytes = tokenizer.token_bytes(id);
    const bool markup = tokenizer.is_special(id) || tokenizer.id_of(bytes) == id;
    kinds.push_back(markup ? TokenKind::special : kind_of(bytes));
  }
  return kinds;
}

}  // namespace fathom

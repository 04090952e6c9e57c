#include "text/added_tokens.h"

#include <algorithm>

namespace fathom {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  // string compares as unsigned bytes, so tokens with a common prefix lie together, the prefix itself first.
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) ++first_[static_cast<unsigned char>(token.content[0]) + size_t{1}];
  for (size_t c = 1; c < first_.size(); ++c) first_[c] += first_[c - 1];
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, int64_t from) const {
  const auto byte = [](const std::string_view s, size_t i) { return static_cast<unsigned char>(s[i]); };
  for (auto begin = static_cast<size_t>(from); begin < text.size(); ++begin) {
    // Narrows the range of tokens that agree with the text, byte by byte.
    int32_t low = first_[byte(text, begin)];
    int32_t high = first_[byte(text, begin) + size_t{1}];
    const AddedToken* longest = nullptr;
    for (size_t length = 1; low < high; ++length) {
      if (tokens_[static_cast<size_t>(low)].content.size() == length) {
        longest = &tokens_[static_cast<size_t>(low)];
        ++low;
      }
      if (begin + length == text.size()) break;
      const unsigned char wanted = byte(text, begin + length);
      const auto range = std::equal_range(
          tokens_.begin() + low, tokens_.begin() + high, wanted, [&](const auto& a, const auto& b) {
            const auto at = [&](const auto& x) {
              if constexpr (std::is_same_v<std::decay_t<decltype(x)>, AddedToken>) {
                return byte(x.content, length);
              } else {
                return x;
              }
            };
            return at(a) < at(b);
          });
      low = static_cast<int32_t>(range.first - tokens_.begin());
      high = static_cast<int32_t>(range.second - tokens_.begin());
    }
    if (longest) {
      return Match{static_cast<int64_t>(begin), static_cast<int64_t>(begin + longest->content.size()),
                   longest->id};
    }
  }
  return std::nullopt;
}

std::optional<int32_t> AddedTokens::id_of(std::string_view content) const {
  const auto found = std::lower_bound(tokens_.begin(), tokens_.end(), content,
                                      [](const AddedToken& a, std::string_view b) { return a.content < b; });
  if (found == tokens_.end() || found->content != content) return std::nullopt;
  return found->id;
}

}  // namespace fathom

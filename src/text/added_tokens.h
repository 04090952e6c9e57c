#pragma once
/// Added tokens (markup such as <think>): found in text first, leftmost, the longest at a position.
/// Source: architecture.md section 11.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;  ///< left out by decoding with skip_special
};

class AddedTokens {
 public:
  AddedTokens() = default;
  /// Contents must be distinct and not empty.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  struct Match {
    int64_t begin = 0, end = 0;
    int32_t id = 0;
  };
  /// The next match that lies wholly within text[from..].
  std::optional<Match> find(std::string_view text, int64_t from) const;

  std::optional<int32_t> id_of(std::string_view content) const;
  const std::vector<AddedToken>& tokens() const { return tokens_; }  ///< in order of content

 private:
  std::vector<AddedToken> tokens_;
  // tokens_[first_[c] .. first_[c + 1]) are those that start with byte c.
  std::array<int32_t, 257> first_{};
};

}  // namespace fathom

#pragma once
/// Pre-tokenizer: cuts text into the pieces within which byte-pair merges happen.
/// Source: architecture.md section 11; Hugging Face tokenizers' Sequence of Split, behaviour Isolated.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace fathom {

/// One Split of tokenizer.json: what matches is a piece of its own, what lies between matches as well. Each
/// split works on the pieces of the one before, seeing nothing beyond a piece's ends.
struct SplitRule {
  std::string pattern;   ///< Oniguruma syntax, or the text itself
  bool literal = false;  ///< pattern is text, not a regular expression
};

class Pretokenizer {
 public:
  /// Throws Error naming the split ("pre_tokenizer split 0 'PATTERN'").
  explicit Pretokenizer(const std::vector<SplitRule>& rules);

  /// Appends the end of every piece of `text` (valid UTF-8) to `ends`: ascending, the last is text.size().
  /// Throws Error(bad_input) when a pattern exceeds its limits (see Regex).
  void split(std::string_view text, RegexScratch& scratch, std::vector<int64_t>& ends) const;

  /// The same with PCRE2 alone: what split() is tested against.
  void split_by_regex(std::string_view text, RegexScratch& scratch, std::vector<int64_t>& ends) const;

  /// Whether the splits are the known ones of the V3 and V4 files, which have a fast path for ASCII.
  bool has_ascii_path() const { return digits_per_piece_ > 0; }

 private:
  void split_level(size_t level, std::string_view text, int64_t begin, int64_t end, RegexScratch& scratch,
                   std::vector<int64_t>& ends) const;

  std::vector<Regex> regexes_;
  int64_t digits_per_piece_ = 0;  // > 0: ascii_piece_end() holds
};

}  // namespace fathom

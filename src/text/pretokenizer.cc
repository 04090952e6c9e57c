#include "text/pretokenizer.h"

#include <fmt/format.h>

#include "base/error.h"
#include "text/ascii_splitter.h"
#include "text/regex_syntax.h"

namespace fathom {

namespace {

constexpr size_t kMaxRules = 32;

}  // namespace

Pretokenizer::Pretokenizer(const std::vector<SplitRule>& rules)
    : digits_per_piece_(known_digits_per_piece(rules)) {
  if (rules.size() > kMaxRules) {
    bad_input("pre_tokenizer: expected at most {} splits, found {}", kMaxRules, rules.size());
  }
  // The known patterns take linear time: what an alternative scans in vain, the next ones take as a match.
  const auto guard = has_ascii_path() ? Regex::Guard::untimed : Regex::Guard::timed;
  for (const SplitRule& rule : rules) {
    const auto where =
        fmt::format("pre_tokenizer split {} '{}'", regexes_.size(), printable(rule.pattern, 60));
    in_context(where, [&] {
      regexes_.emplace_back(rule.literal ? quote_for_pcre2(rule.pattern) : to_pcre2(rule.pattern), guard);
    });
  }
}

void Pretokenizer::split(std::string_view text, RegexScratch& scratch, std::vector<int64_t>& ends) const {
  if (!has_ascii_path()) return split_by_regex(text, scratch, ends);
  const int64_t size = std::ssize(text);
  for (int64_t begin = 0; begin < size;) {
    int64_t end = ascii_piece_end(text, begin, digits_per_piece_);
    if (end >= 0) {
      ends.push_back(end);
    } else {
      end = ascii_certain_end(text, begin);
      split_level(0, text, begin, end, scratch, ends);
    }
    begin = end;
  }
}

void Pretokenizer::split_by_regex(std::string_view text, RegexScratch& scratch,
                                  std::vector<int64_t>& ends) const {
  scratch.start_clock(std::ssize(text));
  if (!text.empty()) split_level(0, text, 0, std::ssize(text), scratch, ends);
}

void Pretokenizer::split_level(size_t level, std::string_view text, int64_t begin, int64_t end,
                               RegexScratch& scratch, std::vector<int64_t>& ends) const {
  if (level == regexes_.size()) {
    ends.push_back(end);
    return;
  }
  const auto piece = text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  int64_t at = 0;
  while (at < std::ssize(piece)) {
    const RegexMatch match = regexes_[level].find(piece, at, scratch);
    if (match.end == match.begin) break;
    if (match.begin > at) split_level(level + 1, text, begin + at, begin + match.begin, scratch, ends);
    split_level(level + 1, text, begin + match.begin, begin + match.end, scratch, ends);
    at = match.end;
  }
  if (at < std::ssize(piece)) split_level(level + 1, text, begin + at, end, scratch, ends);
}

}  // namespace fathom

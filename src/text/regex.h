#pragma once
/// A compiled PCRE2 pattern whose time is bounded: what a tokenizer.json brings may be hostile.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace fathom {

/// What one thread needs to match: PCRE2's match data, its JIT stack, and the account of time spent. Serves
/// any Regex, one call at a time.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  RegexScratch& operator=(RegexScratch&&) noexcept;

  /// Starts the time account of a text of this many bytes: half a second of this thread's CPU time and 2 us a
  /// byte (some 20 times what ordinary patterns take).
  void start_clock(int64_t bytes);

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

/// Half-open byte range; empty (end == begin) when there is no match.
struct RegexMatch {
  int64_t begin = 0, end = 0;
};

class Regex {
 public:
  /// timed: PCRE2 calls back between the items of the pattern, and the match ends when the scratch's time is
  /// up (PCRE2's own limits count neither the characters of a repeat nor the starts of a search). untimed: no
  /// such calls, twice as fast, for patterns known to take linear time.
  enum class Guard { timed, untimed };

  /// Compiles a PCRE2 pattern (UTF, UCP, MULTILINE). Throws Error(bad_input) with PCRE2's text and offset;
  /// also if the pattern can match the empty string.
  Regex(const std::string& pattern, Guard guard);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// The leftmost match in text[from..]; look-behind sees the text before `from`. `text` must be valid UTF-8.
  /// Throws Error(bad_input) when the scratch's time or PCRE2's memory limits are exceeded.
  RegexMatch find(std::string_view text, int64_t from, RegexScratch& scratch) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

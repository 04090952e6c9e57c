#pragma once
/// UTF-8 that may be broken or cut anywhere: replacement of invalid bytes, and a stream that gives out whole
/// characters only. Invalid bytes become one U+FFFD per maximal subpart (Unicode chapter 3, "U+FFFD
/// Substitution of Maximal Subparts"; WHATWG's decoder and Python's errors="replace" do the same).

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom {

/// The next unit of UTF-8 in some bytes.
struct Utf8Step {
  enum class Kind {
    character,   ///< a whole, valid character
    invalid,     ///< a maximal subpart that no continuation can make valid: one U+FFFD
    incomplete,  ///< the bytes end within what may still become a character
  };
  Kind kind;
  int64_t bytes;  ///< >= 1
};

/// The unit at the start of `bytes`, which must not be empty.
Utf8Step next_utf8(std::string_view bytes);

bool is_valid_utf8(std::string_view bytes);

/// Appends `bytes` to `out`, each maximal invalid subpart as one U+FFFD.
void append_valid_utf8(std::string_view bytes, std::string& out);

/// Bytes in, whole characters out: push() and finish() together give append_valid_utf8() of all bytes, and no
/// returned string ends within a character.
class Utf8Stream {
 public:
  /// The characters that are complete with these bytes.
  std::string push(std::string_view bytes);
  /// What is left, as U+FFFD; the stream is empty afterwards.
  std::string finish();

 private:
  std::string pending_;  // a proper prefix of a character: at most 3 bytes
};

}  // namespace fathom

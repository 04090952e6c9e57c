#include "text/ascii_splitter.h"

#include <array>
#include <string>

#include "base/error.h"

namespace fathom {

namespace {

constexpr std::string_view kThreeDigits = R"(\p{N}{1,3})";
constexpr std::string_view kOneDigit = R"(\p{N})";
constexpr std::string_view kHanKana = "[一-龥぀-ゟ゠-ヿ]+";
// The published files have carriage return and line feed themselves in the sets, other writers their escapes.
constexpr std::string_view kWords =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
constexpr std::string_view kWordsEscaped =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// ASCII by what the patterns ask of a character. All of ASCII's punctuation is in \p{P} or \p{S} and in the
// set of the first alternative.
enum Class : uint8_t { kControl, kLetter, kDigit, kPunctuation, kSpace, kNewline, kBeyond };

constexpr std::array<Class, 256> make_classes() {
  std::array<Class, 256> classes{};
  for (size_t c = 0; c < 256; ++c) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool digit = c >= '0' && c <= '9';
    classes[c] = c >= 0x80                                     ? kBeyond
                 : letter                                      ? kLetter
                 : digit                                       ? kDigit
                 : c == '\n' || c == '\r'                      ? kNewline
                 : c == ' ' || c == '\t' || c == 11 || c == 12 ? kSpace
                 : c > 0x20 && c < 0x7F                        ? kPunctuation
                                                               : kControl;
  }
  return classes;
}
constexpr auto kClasses = make_classes();

}  // namespace

int64_t known_digits_per_piece(const std::vector<SplitRule>& rules) {
  if (rules.size() != 3) return 0;
  for (const SplitRule& rule : rules) {
    if (rule.literal) return 0;
  }
  if (rules[1].pattern != kHanKana) return 0;
  if (rules[2].pattern != kWords && rules[2].pattern != kWordsEscaped) return 0;
  return rules[0].pattern == kThreeDigits ? 3 : rules[0].pattern == kOneDigit ? 1 : 0;
}

std::vector<SplitRule> v4_splits(int64_t digits_per_piece) {
  FATHOM_CHECK(digits_per_piece == 1 || digits_per_piece == 3);
  return {{std::string(digits_per_piece == 1 ? kOneDigit : kThreeDigits)},
          {std::string(kHanKana)},
          {std::string(kWords)}};
}

int64_t ascii_piece_end(std::string_view text, int64_t begin, int64_t digits_per_piece) {
  const int64_t size = std::ssize(text);
  const auto byte = [&](int64_t i) { return text[static_cast<size_t>(i)]; };
  const auto class_at = [&](int64_t i) { return kClasses[static_cast<unsigned char>(byte(i))]; };
  const auto skip = [&](int64_t i, Class wanted) {
    while (i < size && class_at(i) == wanted) ++i;
    return i;
  };
  const auto is_beyond = [&](int64_t i) { return i < size && class_at(i) == kBeyond; };
  // A run of letters or of punctuation: characters beyond ASCII may continue it.
  const auto run_end = [&](int64_t i, Class wanted) {
    const int64_t end = skip(i, wanted);
    return is_beyond(end) ? -1 : end;
  };
  const auto punctuation_end = [&](int64_t i) {
    const int64_t end = run_end(i, kPunctuation);
    return end < 0 ? -1 : skip(end, kNewline);
  };

  const Class first = class_at(begin);
  const int64_t next = begin + 1;
  const Class second = next < size ? class_at(next) : kControl;
  switch (first) {
    case kLetter:
      return run_end(next, kLetter);
    case kDigit: {
      int64_t end = next;
      while (end - begin < digits_per_piece && end < size && class_at(end) == kDigit) ++end;
      return end - begin < digits_per_piece && is_beyond(end) ? -1 : end;
    }
    case kPunctuation:
      // The first alternative takes ASCII letters only, so what follows them has no say.
      return second == kLetter ? skip(next, kLetter) : punctuation_end(begin);
    case kSpace:
      if (second == kLetter) return run_end(next, kLetter);
      if (second == kPunctuation && byte(begin) == ' ') return punctuation_end(next);
      [[fallthrough]];
    case kNewline: {
      int64_t end = begin, after_newline = -1;
      for (; end < size && (class_at(end) == kSpace || class_at(end) == kNewline); ++end) {
        if (class_at(end) == kNewline) after_newline = end + 1;
      }
      if (is_beyond(end)) return -1;
      if (after_newline >= 0) return after_newline;  // \s*[\r\n]+
      // \s+(?!\S) leaves the last space to the word behind it; a number is behind a split, hence out of
      // sight.
      const bool at_end = end == size || class_at(end) == kDigit;
      return at_end || end == next ? end : end - 1;
    }
    case kControl:
      return second == kLetter && next < size ? run_end(next, kLetter) : -1;
    case kBeyond:
      return -1;
  }
  return -1;
}

int64_t ascii_certain_end(std::string_view text, int64_t begin) {
  const int64_t size = std::ssize(text);
  Class before = kClasses[static_cast<unsigned char>(text[static_cast<size_t>(begin)])];
  for (int64_t i = begin + 1; i < size; ++i) {
    const Class here = kClasses[static_cast<unsigned char>(text[static_cast<size_t>(i)])];
    if (before == kLetter && here != kLetter && here != kBeyond) return i;
    before = here;
  }
  return size;
}

}  // namespace fathom

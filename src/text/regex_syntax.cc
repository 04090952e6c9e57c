#include "text/regex_syntax.h"

#include <fmt/format.h>

#include <array>

#include "base/error.h"
#include "text/unicode_ranges.h"

namespace fathom {

namespace {

constexpr size_t kMaxPatternBytes = 16 << 10;

// Oniguruma's \s (golden/tokenizer/unicode_classes.json) and what is not in it.
constexpr std::string_view kSpace =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{d7ff}\x{e000}-\x{10ffff})";

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'); }

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (c == '[') {
        set();
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        repeat();
      } else {
        out_ += c;
        ++at_;
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view construct) const {
    fail(ErrorCode::unsupported, "expected a pattern without {}, found one at byte {}", construct, at_);
  }
  [[noreturn]] void broken(std::string_view expected) const {
    bad_input("expected {} at byte {}, found {}", expected, at_,
              at_ < in_.size() ? fmt::format("'{}'", printable(in_.substr(at_), 20)) : "the pattern's end");
  }
  char peek(size_t ahead) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }

  // Puts a set's content: as it is within [...], in brackets of its own outside.
  void put_set(std::string_view content, bool negated = false) {
    if (in_set_) {
      out_ += content;
    } else {
      out_ += fmt::format("[{}{}]", negated ? "^" : "", content);
    }
  }

  void escape() {
    const char c = peek(1);
    switch (c) {
      case '\0':
        broken("a character after \\");
      case 'p':
      case 'P':
        return property();
      case 's':
        put_set(kSpace);
        break;
      case 'S':
        put_set(kNotSpace);
        break;
      case 'v':
        out_ += "\\x{b}";
        break;  // PCRE2's \v is any vertical space
      case 'd':
      case 'D':
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        out_ += {'\\', c};
        break;
      case 'x':
      case 'u':
        return code_point();
      default:
        if (is_alnum(c)) refuse(fmt::format("\\{}", c));
        out_ += '\\';
        if (static_cast<unsigned char>(c) < 0x80)
          out_ += c;
        else
          out_.back() = c;  // an escaped letter of another script stands for itself
    }
    at_ += 2;
  }

  // \xHH, \x{H...}, \uHHHH
  void code_point() {
    const bool braces = peek(1) == 'x' && peek(2) == '{';
    const size_t first = braces ? 3 : 2;
    const size_t most = braces ? 6 : peek(1) == 'u' ? 4 : 2;
    size_t count = 0;
    while (count < most && is_hex(peek(first + count))) ++count;
    if (count == 0 || (peek(1) == 'u' && count != 4) || (braces && peek(first + count) != '}')) {
      broken("\\xHH, \\x{H...} or \\uHHHH");
    }
    out_ += fmt::format("\\x{{{}}}", in_.substr(at_ + first, count));
    at_ += first + count + (braces ? 1 : 0);
  }

  void property() {
    const size_t close = in_.find('}', at_);
    if (peek(2) != '{' || close == std::string_view::npos) broken("\\p{...}");
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    bool negated = peek(1) == 'P';
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.remove_prefix(1);
    }
    if (name.empty()) broken("a property's name");
    for (const char c : name) {
      if (!is_alnum(c) && c != '_') broken("a property's name of letters");
    }
    std::string content = fmt::format("\\p{{{}}}", name);
    const auto additions = unicode_additions(name.size() == 1 ? name[0] : '\0');
    for (const auto [low, high] : additions) {
      content +=
          fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<uint32_t>(low), static_cast<uint32_t>(high));
    }
    if (additions.empty() && negated) {
      content[1] = 'P';
      negated = false;
    }
    if (negated && in_set_) refuse("\\P{...} of a general category within [...]");
    put_set(content, negated);
    at_ = close + 1;
  }

  void set() {
    in_set_ = true;
    out_ += '[';
    ++at_;
    if (peek(0) == '^') {
      out_ += '^';
      ++at_;
    }
    if (peek(0) == ']') refuse("a set that starts with ]");
    while (peek(0) != ']') {
      if (at_ >= in_.size()) broken("] of a set");
      if (peek(0) == '[') refuse("a set within a set");
      if (peek(0) == '&' && peek(1) == '&') refuse("&& within [...]");
      if (peek(0) == '\\') {
        escape();
      } else {
        out_ += in_[at_++];
      }
    }
    out_ += ']';
    ++at_;
    in_set_ = false;
  }

  void group() {
    static constexpr std::array<std::string_view, 7> kAllowed = {"(?:",  "(?i:", "(?=", "(?!",
                                                                 "(?<=", "(?<!", "(?>"};
    if (peek(1) == '?') {
      for (const std::string_view prefix : kAllowed) {
        if (in_.substr(at_, prefix.size()) == prefix) {
          out_ += prefix;
          at_ += prefix.size();
          return;
        }
      }
      refuse(fmt::format("the group {}", printable(in_.substr(at_, 4))));
    }
    if (peek(1) == '*') refuse("(*");
    out_ += "(?:";  // nothing refers to groups, and counting them costs time
    ++at_;
  }

  // {n}, {n,}, {n,m}, {,m}; other braces are themselves in both engines.
  void repeat() {
    size_t i = 1;
    while (is_digit(peek(i))) ++i;
    const bool low = i > 1;
    bool high = false;
    if (peek(i) == ',') {
      ++i;
      while (is_digit(peek(i))) ++i, high = true;
    }
    if (peek(i) != '}' || (!low && !high)) {
      out_ += "\\{";
      ++at_;
      return;
    }
    // Possessive, and lazy, in PCRE2; a second quantifier in Ruby's syntax.
    const bool fixed = peek(i - 1) != ',' && low && !high;
    if (peek(i + 1) == '+' || (fixed && peek(i + 1) == '?')) refuse("a repeated repeat count");
    out_ += low ? "{" : "{0";
    out_ += in_.substr(at_ + 1, i);
    at_ += i + 1;
  }

  std::string_view in_;
  size_t at_ = 0;
  bool in_set_ = false;
  std::string out_;
};

}  // namespace

std::string to_pcre2(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    bad_input("expected a pattern of at most {} bytes, found {}", kMaxPatternBytes, pattern.size());
  }
  if (pattern.find('\0') != std::string_view::npos) bad_input("expected a pattern without NUL, found one");
  return Translator(pattern).run();
}

std::string quote_for_pcre2(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && !is_alnum(c)) out += '\\';
    out += c;
  }
  return out;
}

}  // namespace fathom

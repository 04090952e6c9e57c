// Regular expressions (the ECMA subset of api.md section 5) as GBNF.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "server/api/api_error.h"
#include "server/service/schema_grammar.h"
#include "text/code_points.h"
#include "text/utf8_stream.h"

namespace fathom::server {
namespace {

class RegexReader {
 public:
  /// @param quoted characters as they stand in a JSON string
  RegexReader(std::string_view text, std::string path, bool quoted)
      : text_(text), path_(std::move(path)), quoted_(quoted) {}

  /// The whole text as an expression.
  std::string read() {
    if (text_.size() > (16u << 10))
      throw ApiError(422, "constraint_too_complex", path_ + ": too long", path_);
    begins_ = take("^");
    std::string out = alternatives(0);
    if (at_ < text_.size()) refuse_here("the end");
    return out;
  }
  bool begins() const { return begins_; }  ///< there was an anchor
  bool ends() const { return ends_; }

 private:
  [[noreturn]] void refuse_here(std::string_view expected) const {
    throw ApiError(400, "invalid_regex",
                   fmt::format("{}: expected {}, found '{}' at byte {}", path_, expected,
                               printable(text_.substr(std::min(at_, text_.size()), 16)), at_),
                   path_);
  }
  bool more() const { return at_ < text_.size(); }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  std::string alternatives(int depth) {
    if (depth > 100) refuse_here("fewer parentheses in parentheses");
    std::string out = "(" + sequence(depth);
    while (take("|")) out += " | " + sequence(depth);
    return out + ")";
  }

  std::string sequence(int depth) {
    std::string out;
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      if (text_[at_] == '$' && at_ + 1 == text_.size()) {
        ++at_;
        ends_ = true;
        break;
      }
      if (!out.empty()) out += ' ';
      out += atom(depth);
      out += repeat();
    }
    return out.empty() ? "\"\"" : out;
  }

  std::string atom(int depth) {
    if (take("(")) {
      if (take("?")) {
        if (!take(":")) refuse_here("a group without look-around");
      }
      std::string out = alternatives(depth + 1);
      if (!take(")")) refuse_here("')'");
      return out;
    }
    if (take(".")) return written({true, {{'\n', '\n'}, {'\r', '\r'}}});
    if (take("[")) return char_class();
    const char c = text_[at_];
    if (c == '*' || c == '+' || c == '?' || c == '{' || c == '^' || c == '$') refuse_here("a character");
    if (take("\\")) {
      if (more()) {
        const char letter = text_[at_];
        if (const Ranges known = shorthand(letter); !known.empty()) {
          ++at_;
          return written({std::string("DWS").find(letter) != std::string::npos, known});
        }
      }
      const uint32_t one = escaped();
      return written({false, {{one, one}}});
    }
    const uint32_t one = character();
    return written({false, {{one, one}}});
  }

  using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;
  struct CharSet {
    bool negated = false;
    Ranges ranges;
    bool has(uint32_t c) const {
      const bool in = std::any_of(ranges.begin(), ranges.end(),
                                  [&](const auto& r) { return c >= r.first && c <= r.second; });
      return in != negated;
    }
  };

  // A set as GBNF. In a JSON string quotes, backslashes and controls are escapes, each in one way.
  std::string written(const CharSet& set) const {
    std::string inside;
    const auto add = [&](uint32_t from, uint32_t to) {
      if (from > to) return;
      inside += in_class(from);
      if (to > from) inside += "-" + in_class(to);
    };
    for (const auto& [from, to] : set.ranges) {
      if (!quoted_ || set.negated) {
        add(from, to);
        continue;
      }
      uint32_t begin = std::max<uint32_t>(from, 0x20);  // without '"' and '\\'
      for (const uint32_t special : {0x22u, 0x5Cu}) {
        if (special < begin || special > to) continue;
        add(begin, special - 1);
        begin = special + 1;
      }
      add(begin, to);
    }
    if (!quoted_) return (set.negated ? "[^" : "[") + inside + "]";
    std::vector<std::string> ways;
    if (set.negated) {
      ways.push_back("[^" + inside + "\\\"\\\\\\x00-\\x1F]");
    } else if (!inside.empty()) {
      ways.push_back("[" + inside + "]");
    }
    for (uint32_t c = 0; c <= 0x5C; c = c == 0x1F ? 0x22 : c == 0x22 ? 0x5C : c + 1) {
      if (!set.has(c)) continue;
      const char* short_form = c == 0x22   ? "\\\""
                               : c == 0x5C ? "\\\\"
                               : c == '\n' ? "n"
                               : c == '\r' ? "r"
                               : c == '\t' ? "t"
                                           : nullptr;
      ways.push_back(short_form ? fmt::format("\"\\\\{}\"", short_form) : fmt::format("\"\\\\u{:04x}\"", c));
    }
    std::string out;
    for (const std::string& way : ways) out += (out.empty() ? "(" : " | ") + way;
    return out + ")";
  }

  static Ranges shorthand(char letter) {
    switch (letter) {
      case 'd':
      case 'D':
        return {{'0', '9'}};
      case 'w':
      case 'W':
        return {{'A', 'Z'}, {'a', 'z'}, {'0', '9'}, {'_', '_'}};
      case 's':
      case 'S':
        return {{'\t', '\r'}, {' ', ' '}};
      default:
        return {};
    }
  }

  // After a backslash: a code point.
  uint32_t escaped() {
    if (!more()) refuse_here("an escape");
    const char c = text_[at_];
    if (take("n")) return '\n';
    if (take("r")) return '\r';
    if (take("t")) return '\t';
    if (take("f")) return '\f';
    if (take("v")) return '\v';
    if (take("0")) return 0;
    if (take("x")) return code(2);
    if (take("u")) {
      if (!take("{")) return code(4);
      const size_t end = text_.find('}', at_);
      if (end == std::string_view::npos || end - at_ > 6) refuse_here("'}'");
      const uint32_t out = code(static_cast<int>(end - at_));
      ++at_;
      return out;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) refuse_here("an escape without back-references");
    return character();
  }
  uint32_t code(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = more() ? static_cast<char>(text_[at_] | 0x20) : ' ';
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) refuse_here("a hexadecimal digit");
      value = value * 16 + static_cast<uint32_t>(digit ? c - '0' : c - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) refuse_here("a character");
    return value;
  }
  uint32_t character() {
    const Utf8Step step = next_utf8(text_.substr(at_));
    if (step.kind != Utf8Step::Kind::character) refuse_here("UTF-8");
    const auto lead = static_cast<unsigned char>(text_[at_]);
    uint32_t value = step.bytes == 1 ? lead : lead & (0xFFu >> (step.bytes + 1));
    for (int64_t i = 1; i < step.bytes; ++i)
      value = value << 6 | (static_cast<unsigned char>(text_[at_ + static_cast<size_t>(i)]) & 0x3Fu);
    at_ += static_cast<size_t>(step.bytes);
    return value;
  }
  // A character as it stands in a class of GBNF.
  static std::string in_class(uint32_t c) {
    if (c < 0x20) return fmt::format("\\x{:02x}", c);
    std::string text;
    append_code_point(c, text);
    return std::string("\\\"[]-^").find(static_cast<char>(c)) != std::string::npos && c < 0x80 ? "\\" + text
                                                                                               : text;
  }

  std::string char_class() {
    CharSet set;
    set.negated = take("^");
    while (!take("]")) {
      if (!more()) refuse_here("']'");
      uint32_t low = 0;
      if (take("\\")) {
        const Ranges known = more() ? shorthand(text_[at_]) : Ranges();
        if (!known.empty()) {
          if (std::string("DWS").find(text_[at_]) != std::string::npos)
            refuse_here("no negated class within a class");
          ++at_;
          set.ranges.insert(set.ranges.end(), known.begin(), known.end());
          continue;
        }
        low = escaped();
      } else {
        low = character();
      }
      uint32_t high = low;
      if (text_.substr(at_).starts_with("-") && !text_.substr(at_).starts_with("-]")) {
        ++at_;
        high = take("\\") ? escaped() : character();
        if (high < low) refuse_here("a range that ascends");
      }
      set.ranges.emplace_back(low, high);
    }
    if (set.ranges.empty()) refuse_here("a class with at least one character");
    return written(set);
  }

  std::string repeat() {
    std::string out;
    if (take("*")) {
      out = "*";
    } else if (take("+")) {
      out = "+";
    } else if (take("?")) {
      out = "?";
    } else if (more() && text_[at_] == '{') {
      const size_t end = text_.find('}', at_);
      if (end == std::string_view::npos) refuse_here("'}'");
      out = text_.substr(at_, end - at_ + 1);
      if (out.find_first_not_of("{},0123456789") != std::string::npos || out.size() < 3 || out[1] == ',')
        refuse_here("a repeat count");
      at_ = end + 1;
    } else {
      return "";
    }
    take("?");  // lazy: the same texts
    if (more() && std::string_view("*+{").find(text_[at_]) != std::string_view::npos)
      refuse_here("one repeat");
    return out;
  }

  std::string_view text_;
  std::string path_;
  bool quoted_;
  size_t at_ = 0;
  bool begins_ = false, ends_ = false;
};

}  // namespace

std::string regex_grammar(const std::string& regex, const std::string& path) {
  return "root ::= " + RegexReader(regex, path, false).read() + "\n";
}

std::string pattern_expression(const std::string& pattern, const std::string& path) {
  RegexReader reader(pattern, path, true);
  const std::string inside = reader.read();
  return (reader.begins() ? "" : "char* ") + inside + (reader.ends() ? "" : " char*");
}

}  // namespace fathom::server

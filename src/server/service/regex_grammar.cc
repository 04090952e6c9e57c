// Regular expressions (the ECMA subset of api.md section 5) as GBNF.
#include "base/error.h"
#include "server/api/api_error.h"
#include "server/service/schema_grammar.h"
#include "text/code_points.h"
#include "text/utf8_stream.h"

namespace fathom::server {
namespace {

class RegexReader {
 public:
  RegexReader(std::string_view text, std::string path) : text_(text), path_(std::move(path)) {}

  std::string read() {
    if (text_.size() > (16u << 10))
      throw ApiError(422, "constraint_too_complex", path_ + ": too long", path_);
    take("^");
    std::string out = alternatives(0);
    if (at_ < text_.size()) refuse_here("the end");
    return "root ::= " + out + "\n";
  }

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
    if (take(".")) return "[^\\n\\r]";
    if (take("[")) return char_class();
    const char c = text_[at_];
    if (c == '*' || c == '+' || c == '?' || c == '{' || c == '^' || c == '$') refuse_here("a character");
    if (take("\\")) {
      if (more()) {
        const char letter = text_[at_];
        const std::string known = shorthand(letter);
        if (!known.empty()) {
          ++at_;
          return (std::string("DWS").find(letter) != std::string::npos ? "[^" : "[") + known + "]";
        }
      }
      return "[" + in_class(escaped()) + "]";
    }
    return "[" + in_class(character()) + "]";
  }

  static std::string shorthand(char letter) {
    switch (letter) {
      case 'd':
      case 'D':
        return "0-9";
      case 'w':
      case 'W':
        return "A-Za-z0-9_";
      case 's':
      case 'S':
        return " \\t\\n\\r\\x0b\\x0c";
      default:
        return "";
    }
  }

  // After a backslash: a code point.
  std::string escaped() {
    if (!more()) refuse_here("an escape");
    const char c = text_[at_];
    if (take("n")) return "\n";
    if (take("r")) return "\r";
    if (take("t")) return "\t";
    if (take("f")) return "\f";
    if (take("v")) return "\v";
    if (take("0")) return std::string(1, '\0');
    if (take("x")) return code(2);
    if (take("u")) {
      if (!take("{")) return code(4);
      const size_t end = text_.find('}', at_);
      if (end == std::string_view::npos || end - at_ > 6) refuse_here("'}'");
      std::string out = code(static_cast<int>(end - at_));
      ++at_;
      return out;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) refuse_here("an escape without back-references");
    return character();
  }
  std::string code(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = more() ? static_cast<char>(text_[at_] | 0x20) : ' ';
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) refuse_here("a hexadecimal digit");
      value = value * 16 + static_cast<uint32_t>(digit ? c - '0' : c - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) refuse_here("a character");
    std::string out;
    append_code_point(value, out);
    return out;
  }
  std::string character() {
    const Utf8Step step = next_utf8(text_.substr(at_));
    if (step.kind != Utf8Step::Kind::character) refuse_here("UTF-8");
    std::string out(text_.substr(at_, static_cast<size_t>(step.bytes)));
    at_ += static_cast<size_t>(step.bytes);
    return out;
  }
  // A character as it stands in a class of GBNF.
  static std::string in_class(const std::string& text) {
    if (text.size() > 1) return text;
    const char c = text.front();
    if (static_cast<unsigned char>(c) < 0x20) return fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    return std::string("\\\"[]-^").find(c) != std::string::npos ? std::string("\\") + c : text;
  }

  std::string char_class() {
    std::string out = take("^") ? "[^" : "[";
    bool empty = true;
    while (!take("]")) {
      if (!more()) refuse_here("']'");
      empty = false;
      std::string low;
      if (take("\\")) {
        const std::string known = more() ? shorthand(text_[at_]) : "";
        if (!known.empty()) {
          if (std::string("DWS").find(text_[at_]) != std::string::npos)
            refuse_here("no negated class within a class");
          ++at_;
          out += known;
          continue;
        }
        low = escaped();
      } else {
        low = character();
      }
      out += in_class(low);
      if (text_.substr(at_).starts_with("-") && !text_.substr(at_).starts_with("-]")) {
        ++at_;
        out += "-" + in_class(take("\\") ? escaped() : character());
      }
    }
    if (empty) refuse_here("a class with at least one character");
    return out + "]";
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
  size_t at_ = 0;
};

}  // namespace

std::string regex_grammar(const std::string& regex, const std::string& path) {
  return RegexReader(regex, path).read();
}

}  // namespace fathom::server

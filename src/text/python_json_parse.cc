// The reader of text/python_json.h: recursive descent over UTF-8 text.
#include <simdjson.h>

#include <cmath>
#include <cstdlib>
#include <unordered_map>

#include "base/error.h"
#include "text/python_json.h"

namespace fathom {
namespace {

void append_utf8(uint32_t code, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

class Reader {
 public:
  Reader(std::string_view text, JsonDialect dialect, const JsonLimits& limits)
      : text_(text), python_(dialect == JsonDialect::python), limits_(limits) {}

  JsonValue document() {
    JsonValue value = read_value(0);
    skip_space();
    if (at_ < text_.size()) refuse("the end of the text");
    return value;
  }

 private:
  [[noreturn]] void refuse(const char* expected) const {
    if (at_ >= text_.size()) bad_input("json: expected {}, found the end at byte {}", expected, at_);
    bad_input("json: expected {}, found '{}' at byte {}", expected, printable(text_.substr(at_, 16)), at_);
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  JsonValue read_value(int depth) {
    skip_space();
    if (at_ >= text_.size()) refuse("a value");
    const char c = text_[at_];
    if (++values_ > limits_.max_values)
      bad_input("json: expected no more than {} values, found more at byte {}", limits_.max_values, at_);
    if (c == '"') return read_string();
    if (c == '{' || c == '[') {
      if (depth >= limits_.max_depth)
        bad_input("json: expected at most {} levels, found more at byte {}", limits_.max_depth, at_);
      return c == '{' ? JsonValue(read_object(depth + 1)) : JsonValue(read_array(depth + 1));
    }
    if (take("true")) return true;
    if (take("false")) return false;
    if (take("null")) return nullptr;
    if (python_) {
      if (take("NaN")) return std::nan("");
      if (take("Infinity")) return HUGE_VAL;
      if (take("-Infinity")) return -HUGE_VAL;
    }
    if (c == '-' || is_digit(c)) return read_number();
    refuse("a value");
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  size_t take_digits() {
    const size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ - start;
  }

  JsonValue read_number() {
    const size_t start = at_;
    take("-");
    if (!take("0") && take_digits() == 0) refuse("a digit");
    const size_t integer_end = at_;
    if (take(".") && take_digits() == 0) refuse("a digit");
    if (take("e") || take("E")) {
      if (!take("+")) take("-");
      if (take_digits() == 0) refuse("a digit");
    }
    std::string digits(text_.substr(start, at_ - start));
    if (at_ == integer_end) {
      if (python_) return JsonValue::Integer{digits == "-0" ? "0" : std::move(digits)};
      if (fits_64_bits(digits)) return JsonValue::Integer{std::move(digits)};
    }
    const double value = std::strtod(digits.c_str(), nullptr);
    if (!python_ && std::isinf(value))
      bad_input("json: expected a finite number, found {}", printable(digits));
    return value;
  }

  static bool fits_64_bits(std::string_view digits) {
    const bool negative = digits.front() == '-';
    if (negative) digits.remove_prefix(1);
    if (negative && digits == "0") return false;  // -0 is the float -0.0
    const std::string_view bound = negative ? "9223372036854775808" : "18446744073709551615";
    return digits.size() < bound.size() || (digits.size() == bound.size() && digits <= bound);
  }

  JsonValue::Array read_array(int depth) {
    JsonValue::Array array;
    ++at_;
    skip_space();
    if (take("]")) return array;
    while (true) {
      array.push_back(read_value(depth));
      skip_space();
      if (take("]")) return array;
      if (!take(",")) refuse("',' or ']'");
    }
  }

  JsonValue::Object read_object(int depth) {
    JsonValue::Object object;
    std::unordered_map<std::string, size_t> place;
    ++at_;
    skip_space();
    if (take("}")) return object;
    while (true) {
      skip_space();
      if (at_ >= text_.size() || text_[at_] != '"') refuse("a key in double quotes");
      std::string key = read_string();
      skip_space();
      if (!take(":")) refuse("':'");
      JsonValue value = read_value(depth);
      const auto [known, is_new] = place.try_emplace(key, object.size());
      if (is_new) {
        object.push_back({std::move(key), std::move(value)});
      } else if (limits_.repeated_keys == RepeatedKeys::refused) {
        bad_input("json: expected each key once, found '{}' again before byte {}", printable(key, 64), at_);
      } else {
        object[known->second].value = std::move(value);
      }
      skip_space();
      if (take("}")) return object;
      if (!take(",")) refuse("',' or '}'");
    }
  }

  std::string read_string() {
    std::string out;
    ++at_;
    while (true) {
      if (at_ >= text_.size()) refuse("the end of a string");
      const unsigned char c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c == '\\') {
        read_escape(out);
      } else if (c < 0x20) {
        refuse("an escaped control character");
      } else {
        out += text_[at_++];
      }
    }
  }

  void read_escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    ++at_;
    if (take("u")) {
      append_utf8(read_code_point(), out);
      return;
    }
    const size_t which = at_ < text_.size() ? kLetters.find(text_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos) refuse("an escape letter");
    out += kMeanings[which];
    ++at_;
  }

  /// After "\u": one unit, or two that form a pair.
  uint32_t read_code_point() {
    const uint32_t unit = read_hex4();
    if (unit < 0xD800 || unit > 0xDFFF) return unit;
    const size_t before = at_;
    if (unit < 0xDC00 && take("\\u")) {
      const uint32_t low = read_hex4();
      if (low >= 0xDC00 && low <= 0xDFFF) return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      at_ = before;
    }
    if (!python_) bad_input("json: expected a surrogate pair, found a lone surrogate at byte {}", before);
    return 0xFFFD;
  }

  uint32_t read_hex4() {
    uint32_t unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : ' ';
      const char lower = static_cast<char>(c | 0x20);
      if (is_digit(c)) {
        unit = unit * 16 + static_cast<uint32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        unit = unit * 16 + static_cast<uint32_t>(lower - 'a' + 10);
      } else {
        refuse("four hexadecimal digits");
      }
    }
    return unit;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool python_;
  JsonLimits limits_;
  int64_t values_ = 0;
};

}  // namespace

JsonValue parse_json_value(std::string_view text, JsonDialect dialect, int max_depth) {
  return parse_json_value(text, dialect, JsonLimits{max_depth});
}

JsonValue parse_json_value(std::string_view text, JsonDialect dialect, const JsonLimits& limits) {
  if (!simdjson::validate_utf8(text.data(), text.size()))
    bad_input("json: expected UTF-8 text, found other bytes");
  return Reader(text, dialect, limits).document();
}

}  // namespace fathom

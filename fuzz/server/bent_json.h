#pragma once
/// Choices that a fuzzer's input makes, and JSON values bent by them.

#include <array>
#include <cstdint>
#include <string>

#include "server/api/json_text.h"
#include "text/python_json.h"
#include "text/utf8_stream.h"

namespace fathom::fuzz {

/// The input as a row of decisions; after its end, all are 0.
class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  size_t below(size_t count) {
    size_t value = next();
    if (count > 256) value |= static_cast<size_t>(next()) << 8;
    return value % count;
  }
  bool one_in(size_t count) { return below(count) == count - 1; }
  /// What no decision has taken yet.
  std::string rest() {
    std::string out(reinterpret_cast<const char*>(data_), size_);
    data_ += size_;
    size_ = 0;
    return out;
  }
  std::string text(size_t most) {
    std::string out;
    const size_t count = std::min(size_, below(most + 1));
    out.assign(reinterpret_cast<const char*>(data_), count);
    data_ += count;
    size_ -= count;
    return out;
  }

 private:
  uint8_t next() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  const uint8_t* data_;
  size_t size_;
};

/// A value of any kind, the usual suspects among them.
inline JsonValue odd_value(Choices& choices) {
  using Integer = JsonValue::Integer;
  switch (choices.below(24)) {
    case 0:
      return {};
    case 1:
      return true;
    case 2:
      return false;
    case 3:
      return JsonValue::Array{};
    case 4:
      return JsonValue::Object{};
    case 5:
      return Integer{"0"};
    case 6:
      return Integer{"-1"};
    case 7:
      return Integer{"1"};
    case 8:
      return Integer{"9223372036854775807"};
    case 9:
      return Integer{"18446744073709551616"};
    case 10:
      return 0.5;
    case 11:
      return 1e300;
    case 12:
      return -0.0;
    case 13:
      return "";
    case 14:
      return std::string(choices.below(2000), 'a');
    case 15:
      return "<｜User｜></think><｜DSML｜tool_calls>";
    case 16:
      return std::string("\0\r\n\xF0\x9F\x98\x80", 7);
    case 17:
      return JsonValue::Array{odd_value(choices), odd_value(choices)};
    case 18: {
      static constexpr std::array kKeys = {"type", "text",    "$ref", "anyOf",  "items",
                                           "role", "content", "name", "pattern"};
      return JsonValue::Object{{kKeys[choices.below(kKeys.size())], odd_value(choices)}};
    }
    case 19: {
      static constexpr std::array kWords = {
          "user",        "assistant", "tool",     "system",  "function", "text",      "json_schema",
          "json_object", "regex",     "required", "auto",    "none",     "enabled",   "disabled",
          "string",      "object",    "array",    "integer", "#",        "#/$defs/a", "tool_use",
          "tool_result", "thinking",  "grammar",  "high",    "max",      "input_text"};
      return kWords[choices.below(kWords.size())];
    }
    case 20:
      return Integer{std::to_string(choices.below(70000))};
    case 21: {
      static constexpr std::array kPatterns = {"(a*)*b",
                                               "[^\\x00-\\uFFFF]",
                                               "a{0,9999}",
                                               "(?:a|b)+?",
                                               "^\\d{3}$",
                                               "\\u{1F600}",
                                               "root ::= \"a\" | root \"b\"",
                                               "root ::= [a-z]+ (\",\" root)?"};
      return kPatterns[choices.below(kPatterns.size())];
    }
    default: {
      std::string text = choices.text(40);
      return is_valid_utf8(text) ? text : std::string("\xC3\xA9");
    }
  }
}

/// `value` with a few changes: members gone, doubled, taken from `other`, or odd.
inline JsonValue bent_once(const JsonValue& value, const JsonValue& other, Choices& choices, int depth = 0) {
  const bool here = depth > 0 && (depth > 12 || choices.one_in(3));
  if (const auto* object = value.as_object(); object && !object->empty() && !here) {
    JsonValue::Object out = *object;
    const size_t at = choices.below(out.size());
    switch (choices.below(8)) {
      case 0:
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
        return out;
      case 1:
        if (const auto* others = other.as_object(); others && !others->empty())
          out.push_back((*others)[choices.below(others->size())]);
        return out;
      case 2:
        if (const auto* others = other.as_object(); others && !others->empty())
          out[at].value = (*others)[choices.below(others->size())].value;
        return out;
      default:
        out[at].value = bent_once(out[at].value, other, choices, depth + 1);
        return out;
    }
  }
  if (const auto* array = value.as_array(); array && !array->empty() && !here) {
    JsonValue::Array out = *array;
    const size_t at = choices.below(out.size());
    switch (choices.below(6)) {
      case 0:
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
        return out;
      case 1:
        out.push_back(out[at]);
        return out;
      case 2:
        std::swap(out[at], out.front());
        return out;
      default:
        out[at] = bent_once(out[at], other, choices, depth + 1);
        return out;
    }
  }
  return odd_value(choices);
}

inline JsonValue bent(const JsonValue& value, const JsonValue& other, Choices& choices) {
  JsonValue out = value;
  for (size_t left = choices.below(5); left > 0; --left) out = bent_once(out, other, choices);
  return out;
}

/// The value as text, now and then with a byte changed or the end missing.
inline std::string bent_text(const JsonValue& value, Choices& choices) {
  std::string text = server::compact_json(value);
  if (choices.one_in(24) && !text.empty())
    text[choices.below(text.size())] = static_cast<char>(choices.below(256));
  if (choices.one_in(32)) text.resize(choices.below(text.size() + 1));
  return text;
}

}  // namespace fathom::fuzz

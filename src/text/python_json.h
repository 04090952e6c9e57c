#pragma once
/// JSON as Python's json module has it, for the prompt encoding: the prompts that the models were trained on
/// were written by json.dumps(value, ensure_ascii=False), so order, big integers, NaN and the spelling of
/// floats matter. Source: architecture.md section 11; golden/encoding/README.md item 4; golden/api/README.md
/// items 11 and 12.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fathom {

/// Whose rules hold.
/// - python: integers of any size, NaN and +-Infinity, floats by repr (1e-07, 1e+16); a lone surrogate escape
///   becomes U+FFFD (Python keeps it and then cannot write it).
/// - serde: what DeepSeek's API converter does. Integers outside -2^63..2^64-1 and -0 are floats, exponents
/// have no
///   padding (1e-7), NaN, Infinity, overflow and lone surrogates are refused.
enum class JsonDialect { python, serde };

struct JsonMember;

/// One value. Objects keep the order of their keys; a repeated key has the last value at the first one's
/// place.
class JsonValue {
 public:
  /// An integer as its decimal digits, with a sign if negative: exact at any size.
  struct Integer {
    std::string digits;
    bool operator==(const Integer&) const = default;
  };
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;

  JsonValue();
  JsonValue(std::nullptr_t);     // NOLINT(google-explicit-constructor)
  JsonValue(bool value);         // NOLINT(google-explicit-constructor)
  JsonValue(double value);       // NOLINT(google-explicit-constructor)
  JsonValue(Integer value);      // NOLINT(google-explicit-constructor)
  JsonValue(std::string value);  // NOLINT(google-explicit-constructor)
  JsonValue(const char* value);  // NOLINT(google-explicit-constructor)
  JsonValue(Array value);        // NOLINT(google-explicit-constructor)
  JsonValue(Object value);       // NOLINT(google-explicit-constructor)

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(data_); }
  /// The value as the asked kind, or nullptr if it is of another.
  const bool* as_bool() const { return std::get_if<bool>(&data_); }
  const double* as_float() const { return std::get_if<double>(&data_); }
  const Integer* as_integer() const { return std::get_if<Integer>(&data_); }
  const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  const Array* as_array() const { return std::get_if<Array>(&data_); }
  const Object* as_object() const { return std::get_if<Object>(&data_); }
  /// The member of an object; nullptr if there is none, or the value is no object.
  const JsonValue* find(std::string_view key) const;
  /// As Python has it: false for null, false, 0, "", [], {}.
  bool truthy() const;
  /// "null", "boolean", "integer", "number", "string", "list", "object": for messages.
  const char* kind() const;

  bool operator==(const JsonValue&) const = default;

 private:
  std::variant<std::nullptr_t, bool, Integer, double, std::string, Array, Object> data_;
};

struct JsonMember {
  std::string key;
  JsonValue value;
  bool operator==(const JsonMember&) const = default;
};

// Here, where JsonMember is complete.
inline JsonValue::JsonValue() : data_(nullptr) {}
inline JsonValue::JsonValue(std::nullptr_t) : data_(nullptr) {}
inline JsonValue::JsonValue(bool value) : data_(value) {}
inline JsonValue::JsonValue(double value) : data_(value) {}
inline JsonValue::JsonValue(Integer value) : data_(std::move(value)) {}
inline JsonValue::JsonValue(std::string value) : data_(std::move(value)) {}
inline JsonValue::JsonValue(const char* value) : data_(std::string(value)) {}
inline JsonValue::JsonValue(Array value) : data_(std::move(value)) {}

/// The default bound on nested lists and objects.
constexpr int kMaxJsonDepth = 512;

/// @throws Error bad_input "json: expected X, found Y at byte N": not JSON by the dialect, more after the
/// value, deeper than max_depth, invalid UTF-8.
JsonValue parse_json_value(std::string_view text, JsonDialect dialect = JsonDialect::python,
                           int max_depth = kMaxJsonDepth);

/// What parse_json_value() does if an object has a key twice.
enum class RepeatedKeys { last_wins, refused };
/// Bounds of a text from outside. Beyond them: Error bad_input, whose message starts with the constant below.
struct JsonLimits {
  int max_depth = kMaxJsonDepth;
  int64_t max_values = INT64_MAX;
  RepeatedKeys repeated_keys = RepeatedKeys::last_wins;
};
inline constexpr std::string_view kJsonTooDeep = "json: expected at most";
inline constexpr std::string_view kJsonRepeatedKey = "json: expected each key once";
JsonValue parse_json_value(std::string_view text, JsonDialect dialect, const JsonLimits& limits);

/// On one line with ", " and ": ", non-ASCII text as it is.
std::string dump_json(const JsonValue& value, JsonDialect dialect = JsonDialect::python);

/// The inside of a JSON string: only what must be is escaped. Works on any part of a text.
void append_json_escaped(std::string_view text, std::string& out);
/// The text as a JSON string with its quotes.
std::string json_quote(std::string_view text);
/// A float as Python's repr has it (python), or as the API converter writes it (serde).
std::string float_text(double value, JsonDialect dialect);

}  // namespace fathom

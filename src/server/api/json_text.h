#pragma once
/// JSON of answers: compact, and nothing escaped but what must be, U+2028 and U+2029.

#include <cstdint>
#include <string>
#include <string_view>

#include "text/python_json.h"

namespace fathom::server {

std::string compact_json(const JsonValue& value);
/// A string with its quotes, as compact_json() has it.
void append_json_string(std::string_view text, std::string& out);

inline JsonValue json_integer(int64_t value) { return JsonValue::Integer{std::to_string(value)}; }
/// A number by its decimal text, written as it is: exact amounts of money.
inline JsonValue json_decimal(std::string text) { return JsonValue::Integer{std::move(text)}; }
/// The text, or null if it is empty.
inline JsonValue json_or_null(const std::string& text) {
  return text.empty() ? JsonValue() : JsonValue(text);
}

/// Reads a request's body. Throws ApiError 400 (invalid_json, json_too_deep, duplicate_key; not an object).
JsonValue read_body(std::string_view text);

}  // namespace fathom::server

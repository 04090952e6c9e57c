#include "server/api/json_text.h"

#include <cmath>

#include "base/error.h"
#include "server/api/api_error.h"

namespace fathom::server {

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  const size_t begin = out.size();
  append_json_escaped(text, out);
  // The two line separators of Unicode are line ends to JavaScript.
  for (size_t at = begin; (at = out.find("\xE2\x80", at)) != std::string::npos; at += 2) {
    if (at + 2 >= out.size() || (out[at + 2] != '\xA8' && out[at + 2] != '\xA9')) continue;
    out.replace(at, 3, out[at + 2] == '\xA8' ? "\\u2028" : "\\u2029");
  }
  out += '"';
}

namespace {

void append(const JsonValue& value, std::string& out) {
  if (const auto* text = value.as_string()) return append_json_string(*text, out);
  if (const auto* array = value.as_array()) {
    out += '[';
    for (const JsonValue& item : *array) {
      if (&item != array->data()) out += ',';
      append(item, out);
    }
    out += ']';
  } else if (const auto* object = value.as_object()) {
    out += '{';
    for (const JsonMember& member : *object) {
      if (&member != object->data()) out += ',';
      append_json_string(member.key, out);
      out += ':';
      append(member.value, out);
    }
    out += '}';
  } else if (const auto* integer = value.as_integer()) {
    out += integer->digits;
  } else if (const auto* flag = value.as_bool()) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = value.as_float(); number && std::isfinite(*number)) {
    out += float_text(*number, JsonDialect::serde);
  } else {
    out += "null";
  }
}

}  // namespace

std::string compact_json(const JsonValue& value) {
  std::string out;
  append(value, out);
  return out;
}

JsonValue read_body(std::string_view text) {
  JsonValue body;
  try {
    body = parse_json_value(text, JsonDialect::serde, JsonLimits{128, 4'000'000, RepeatedKeys::refused});
  } catch (const Error& error) {
    const std::string_view message = error.message();
    throw ApiError(400,
                   message.starts_with(kJsonTooDeep)       ? "json_too_deep"
                   : message.starts_with(kJsonRepeatedKey) ? "duplicate_key"
                                                           : "invalid_json",
                   error.message());
  }
  if (!body.as_object())
    throw ApiError(400, "", fmt::format("body: expected an object, found {}", body.kind()));
  return body;
}

}  // namespace fathom::server

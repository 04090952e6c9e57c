// JSON values and their spelling; the reader is in python_json_parse.cc.
#include "text/python_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace fathom {

JsonValue::JsonValue(Object value) : data_(std::move(value)) {}

const JsonValue* JsonValue::find(std::string_view key) const {
  const Object* object = as_object();
  if (!object) return nullptr;
  const auto found =
      std::find_if(object->begin(), object->end(), [&](const auto& m) { return m.key == key; });
  return found == object->end() ? nullptr : &found->value;
}

bool JsonValue::truthy() const {
  if (const bool* flag = as_bool()) return *flag;
  if (const Integer* integer = as_integer()) return integer->digits != "0";
  if (const double* number = as_float()) return *number != 0;
  if (const std::string* text = as_string()) return !text->empty();
  if (const Array* array = as_array()) return !array->empty();
  if (const Object* object = as_object()) return !object->empty();
  return false;
}

const char* JsonValue::kind() const {
  constexpr std::array kKinds = {"null", "boolean", "integer", "number", "string", "list", "object"};
  return kKinds[data_.index()];
}

void append_json_escaped(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[static_cast<size_t>(c) >> 4];
          out += kHex[static_cast<size_t>(c) & 15];
        } else {
          out += c;
        }
    }
  }
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  append_json_escaped(text, out);
  out += '"';
  return out;
}

std::string float_text(double value, JsonDialect dialect) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  // The shortest digits that read back as the same double, d.ddde+XX.
  std::array<char, 40> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view shortest(buffer.data(), static_cast<size_t>(end.ptr - buffer.data()));

  std::string out;
  if (shortest.front() == '-') {
    out = "-";
    shortest.remove_prefix(1);
  }
  const size_t e = shortest.find('e');
  std::string digits(shortest.substr(0, e));
  std::erase(digits, '.');
  int exponent = 0;
  const size_t sign = shortest[e + 1] == '+' ? e + 2 : e + 1;  // from_chars takes a minus, not a plus
  std::from_chars(shortest.data() + sign, shortest.data() + shortest.size(), exponent);

  const bool python = dialect == JsonDialect::python;
  if (exponent >= (python ? -4 : -5) && exponent < 16) {
    const int count = static_cast<int>(digits.size());
    if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    if (count <= exponent + 1)
      return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
    return out + digits.insert(static_cast<size_t>(exponent + 1), ".");
  }
  out += digits.front();
  if (digits.size() > 1) out += "." + digits.substr(1);
  out += exponent < 0 ? "e-" : "e+";
  const std::string magnitude = std::to_string(std::abs(exponent));
  return out + (python && magnitude.size() < 2 ? "0" : "") + magnitude;
}

namespace {

void append_value(const JsonValue& value, JsonDialect dialect, std::string& out) {
  if (value.is_null()) {
    out += "null";
  } else if (const bool* flag = value.as_bool()) {
    out += *flag ? "true" : "false";
  } else if (const JsonValue::Integer* integer = value.as_integer()) {
    out += integer->digits;
  } else if (const double* number = value.as_float()) {
    out += float_text(*number, dialect);
  } else if (const std::string* text = value.as_string()) {
    out += json_quote(*text);
  } else if (const JsonValue::Array* array = value.as_array()) {
    out += '[';
    for (const JsonValue& item : *array) {
      if (&item != array->data()) out += ", ";
      append_value(item, dialect, out);
    }
    out += ']';
  } else {
    const JsonValue::Object& object = *value.as_object();
    out += '{';
    for (const JsonMember& member : object) {
      if (&member != object.data()) out += ", ";
      out += json_quote(member.key);
      out += ": ";
      append_value(member.value, dialect, out);
    }
    out += '}';
  }
}

}  // namespace

std::string dump_json(const JsonValue& value, JsonDialect dialect) {
  std::string out;
  append_value(value, dialect, out);
  return out;
}

}  // namespace fathom

#include "base/json_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace fathom {
namespace {

using nlohmann::json;

// The value as a message shows it: short values whole, containers by kind.
std::string found(const json& value) {
  switch (value.type()) {
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return fmt::format("a list of {}", value.size());
    case json::value_t::string:
      return fmt::format("\"{}\"", printable(value.get_ref<const std::string&>(), 60));
    default:
      return printable(value.dump(), 60);
  }
}

}  // namespace

json parse_json(std::string_view text, int max_depth, size_t max_bytes) {
  if (text.size() > max_bytes) bad_input("JSON: expected at most {} bytes, found {}", max_bytes, text.size());
  const auto limit_depth = [&](int depth, json::parse_event_t event, const json&) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth >= max_depth) bad_input("JSON: expected at most {} levels, found more", max_depth);
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), limit_depth);
  } catch (const json::parse_error& error) {
    bad_input("JSON: expected a valid document, found an error at byte {} of {}", error.byte, text.size());
  } catch (const json::exception&) {  // a number outside double
    bad_input("JSON: expected numbers within double precision, found one that overflows");
  }
}

std::optional<JsonField> JsonField::find(const char* key) const {
  if (!value_->is_object()) refuse("an object");
  const auto it = value_->find(key);
  if (it == value_->end() || it->is_null()) return std::nullopt;
  return JsonField(*it, path_.empty() ? key : path_ + "." + key);
}

JsonField JsonField::at(const char* key) const {
  if (auto field = find(key)) return *field;
  const char* what = value_->contains(key) ? "null" : "nothing";
  bad_input("{}{}{}: expected a value, found {}", path_, path_.empty() ? "" : ".", key, what);
}

bool JsonField::is_object() const { return value_->is_object(); }
bool JsonField::is_array() const { return value_->is_array(); }
bool JsonField::is_string() const { return value_->is_string(); }

int64_t JsonField::integer(int64_t low, int64_t high) const {
  const std::string expected = fmt::format("an integer from {} to {}", low, high);
  if (value_->is_number_unsigned()) {
    const auto value = value_->get<uint64_t>();
    if (high >= 0 && value <= static_cast<uint64_t>(high) &&
        (low < 0 || value >= static_cast<uint64_t>(low))) {
      return static_cast<int64_t>(value);
    }
  } else if (value_->is_number_integer()) {
    const auto value = value_->get<int64_t>();
    if (value >= low && value <= high) return value;
  } else if (value_->is_number_float()) {
    const auto value = value_->get<double>();
    constexpr double kExact = 9007199254740992.0;  // 2^53: every integer up to here is a double
    if (std::abs(value) <= kExact && std::floor(value) == value) {
      const auto whole = static_cast<int64_t>(value);
      if (whole >= low && whole <= high) return whole;
    }
  }
  refuse(expected);
}

double JsonField::number(double low, double high) const {
  if (value_->is_number()) {
    const auto value = value_->get<double>();
    if (std::isfinite(value) && value >= low && value <= high) return value;
  }
  refuse(fmt::format("a number from {} to {}", low, high));
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) refuse("true or false");
  return value_->get<bool>();
}

std::string JsonField::text() const {
  if (!value_->is_string()) refuse("a string");
  return value_->get<std::string>();
}

std::vector<JsonField> JsonField::elements(size_t max_size) const {
  if (!value_->is_array() || value_->size() > max_size) refuse(fmt::format("a list of at most {}", max_size));
  std::vector<JsonField> out;
  out.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) out.emplace_back((*value_)[i], fmt::format("{}[{}]", path_, i));
  return out;
}

void JsonField::refuse(std::string_view expected) const {
  bad_input("{}: expected {}, found {}", path_.empty() ? "document" : path_, expected, found(*value_));
}

}  // namespace fathom

#include "server/api/fields.h"

#include <charconv>

#include "base/error.h"
#include "server/api/json_text.h"

namespace fathom::server {

std::string quoted(const JsonValue& value) {
  if (value.as_array()) return "a list";
  if (value.as_object()) return "an object";
  const std::string* text = value.as_string();
  return printable(text ? "'" + text->substr(0, 64) + "'" : compact_json(value), 64);
}

Fields::Fields(const JsonValue& value, std::string path, IgnoredFields& ignored)
    : value_(&value), path_(std::move(path)), ignored_(&ignored) {
  if (!value.as_object()) refuse(path_, "expected an object, found {}", quoted(value));
}

std::string Fields::path(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const JsonValue* Fields::get_raw(std::string_view key) {
  known_.emplace(key);
  return value_->find(key);
}

const JsonValue* Fields::get(std::string_view key) {
  const JsonValue* found = get_raw(key);
  return found && !found->is_null() ? found : nullptr;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const JsonValue* found = get(key);
  if (!found) return std::nullopt;
  if (!found->as_string()) refuse(path(key), "expected a string, found {}", quoted(*found));
  return *found->as_string();
}

std::string Fields::required_text(std::string_view key) {
  auto found = text(key);
  if (!found) refuse(path(key), "expected a string, found nothing");
  return std::move(*found);
}

std::optional<bool> Fields::flag(std::string_view key) {
  const JsonValue* found = get(key);
  if (!found) return std::nullopt;
  if (!found->as_bool()) refuse(path(key), "expected true or false, found {}", quoted(*found));
  return *found->as_bool();
}

std::optional<int64_t> Fields::integer(std::string_view key, int64_t low, int64_t high) {
  const JsonValue* found = get(key);
  if (!found) return std::nullopt;
  int64_t value = 0;
  const auto* digits = found->as_integer();
  const bool whole =
      digits &&
      std::from_chars(digits->digits.data(), digits->digits.data() + digits->digits.size(), value).ec ==
          std::errc();
  if (!whole || value < low || value > high)
    refuse(path(key), "expected an integer from {} to {}, found {}", low, high, quoted(*found));
  return value;
}

std::optional<double> Fields::number(std::string_view key, double low, double high) {
  const JsonValue* found = get(key);
  if (!found) return std::nullopt;
  double value = 0;
  if (const auto* real = found->as_float()) {
    value = *real;
  } else if (const auto* digits = found->as_integer()) {
    value = std::strtod(digits->digits.c_str(), nullptr);
  } else {
    refuse(path(key), "expected a number from {} to {}, found {}", low, high, quoted(*found));
  }
  if (!(value >= low && value <= high))
    refuse(path(key), "expected a number from {} to {}, found {}", low, high, quoted(*found));
  return value;
}

std::optional<Fields> Fields::object(std::string_view key) {
  const JsonValue* found = get(key);
  if (!found) return std::nullopt;
  return Fields(*found, path(key), *ignored_);
}

std::optional<std::vector<Fields::Item>> Fields::list(std::string_view key, size_t most) {
  const JsonValue* found = get(key);
  if (!found) return std::nullopt;
  const JsonValue::Array* array = found->as_array();
  if (!array) refuse(path(key), "expected a list, found {}", quoted(*found));
  if (array->size() > most) refuse(path(key), "expected at most {} items, found {}", most, array->size());
  std::vector<Item> items;
  items.reserve(array->size());
  for (const JsonValue& item : *array)
    items.push_back({&item, fmt::format("{}[{}]", path(key), items.size())});
  return items;
}

void Fields::ignore(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (has(key)) ignored_->add(path(key));
  }
}

void Fields::accept(std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) known_.emplace(key);
}

void Fields::reject(std::string_view key, std::string_view why) {
  if (has(key)) refuse(path(key), "{}", why);
}

void Fields::finish() {
  for (const JsonMember& member : *value_->as_object()) {
    if (!known_.contains(member.key)) ignored_->add(path(printable(member.key, 64)));
  }
}

}  // namespace fathom::server

#include "text/simdjson_field.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <string>

#include "base/error.h"

namespace fathom::simdjson_field {

namespace {

template <class T>
constexpr std::string_view name_of() {
  if constexpr (std::is_same_v<T, bool>) return "a boolean";
  if constexpr (std::is_same_v<T, int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, std::string_view>) return "a string";
  if constexpr (std::is_same_v<T, Array>) return "an array";
  if constexpr (std::is_same_v<T, Object>) return "an object";
}

std::string joined(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

std::string_view kind(const Element& element) {
  using Type = simdjson::dom::element_type;
  switch (element.type()) {
    case Type::ARRAY:
      return "an array";
    case Type::OBJECT:
      return "an object";
    case Type::INT64:
    case Type::UINT64:
      return "an integer";
    case Type::DOUBLE:
      return "a number";
    case Type::STRING:
      return "a string";
    case Type::BOOL:
      return "a boolean";
    case Type::NULL_VALUE:
      return "null";
  }
  return "something else";
}

template <class T>
T as(const Element& element, std::string_view path) {
  T value;
  if (element.get(value) != simdjson::SUCCESS) {
    bad_input("{}: expected {}, found {}", path, name_of<T>(), kind(element));
  }
  return value;
}

template <class T>
T required(const Object& object, std::string_view path, std::string_view key) {
  Element element;
  if (object.at_key(key).get(element) != simdjson::SUCCESS) {
    bad_input("{}: expected {}, found no such field", joined(path, key), name_of<T>());
  }
  return as<T>(element, joined(path, key));
}

template <class T>
T optional(const Object& object, std::string_view path, std::string_view key, T otherwise) {
  return has(object, key) ? required<T>(object, path, key) : otherwise;
}

bool has(const Object& object, std::string_view key) {
  Element element;
  return object.at_key(key).get(element) == simdjson::SUCCESS && !element.is_null();
}

#define FATHOM_FIELD(T)                                                      \
  template T as<T>(const Element&, std::string_view);                        \
  template T required<T>(const Object&, std::string_view, std::string_view); \
  template T optional<T>(const Object&, std::string_view, std::string_view, T)
FATHOM_FIELD(bool);
FATHOM_FIELD(int64_t);
FATHOM_FIELD(std::string_view);
FATHOM_FIELD(Array);
FATHOM_FIELD(Object);
#undef FATHOM_FIELD

}  // namespace fathom::simdjson_field

#pragma once
/// Field access over simdjson (tokenizer.json) whose errors name path, expected and found. base/json_reader
/// does the same over nlohmann's documents, which would be slow here. Include simdjson.h before use.

#include <cstdint>
#include <string_view>

namespace simdjson::dom {
class array;
class element;
class object;
}  // namespace simdjson::dom

namespace fathom::simdjson_field {

using Array = simdjson::dom::array;
using Element = simdjson::dom::element;
using Object = simdjson::dom::object;

/// "an object", "a string", ...
std::string_view kind(const Element& element);

/// `element` as a T: bool, int64_t, std::string_view, Array or Object. Throws Error "path: expected T, found
/// ...".
template <class T>
T as(const Element& element, std::string_view path);

/// Field `key` of the object at `path`. Throws Error if it is missing or no T.
template <class T>
T required(const Object& object, std::string_view path, std::string_view key);

/// Field `key`, or `otherwise` if it is missing or null. Throws Error if it is no T.
template <class T>
T optional(const Object& object, std::string_view path, std::string_view key, T otherwise);

/// Whether field `key` is there and not null.
bool has(const Object& object, std::string_view key);

}  // namespace fathom::simdjson_field

#include "server/service/schema_merge.h"

#include <algorithm>
#include <cstdlib>

namespace fathom::server {
namespace {

using Object = JsonValue::Object;
using Array = JsonValue::Array;

bool contains(const Array& list, const JsonValue& value) {
  return std::ranges::find(list, value) != list.end();
}

// `type` as a list; integers are numbers.
Array types_of(const JsonValue& type) {
  if (const auto* list = type.as_array()) return *list;
  return {type};
}

JsonValue common_types(const JsonValue& a, const JsonValue& b) {
  Array out;
  const Array left = types_of(a), right = types_of(b);
  const JsonValue integer("integer"), number("number");
  for (const JsonValue& type : left) {
    if (contains(right, type)) {
      out.push_back(type);
    } else if ((type == integer && contains(right, number)) || (type == number && contains(right, integer))) {
      out.push_back(integer);
    }
  }
  if (out.size() == 1) return out.front();
  return out;
}

// Less than, of decimals as the grammar knows them.
bool less(const JsonValue& a, const JsonValue& b) {
  const auto value = [](const JsonValue& v) {
    if (const auto* number = v.as_float()) return *number;
    const auto* integer = v.as_integer();
    return integer ? std::strtod(integer->digits.c_str(), nullptr) : 0.0;
  };
  return value(a) < value(b);
}

JsonValue all_of(const JsonValue& a, const JsonValue& b) {
  return a == b ? a : JsonValue(Object{{"allOf", Array{a, b}}});
}

}  // namespace

JsonValue merged_schemas(const JsonValue& a, const JsonValue& b, std::vector<std::string>& lost) {
  if (const bool* any = a.as_bool()) return *any ? b : a;
  if (const bool* any = b.as_bool()) return *any ? a : b;
  if (!a.as_object() || !b.as_object()) return a;
  Object out = *a.as_object();
  for (const JsonMember& theirs : *b.as_object()) {
    const auto own =
        std::ranges::find_if(out, [&](const JsonMember& member) { return member.key == theirs.key; });
    if (own == out.end()) {
      out.push_back(theirs);
      continue;
    }
    if (own->value == theirs.value) continue;
    const std::string& key = theirs.key;
    if (key == "type") {
      own->value = common_types(own->value, theirs.value);
    } else if (key == "properties" && own->value.as_object() && theirs.value.as_object()) {
      Object properties = *own->value.as_object();
      for (const JsonMember& property : *theirs.value.as_object()) {
        const auto same =
            std::ranges::find_if(properties, [&](const JsonMember& m) { return m.key == property.key; });
        if (same == properties.end()) {
          properties.push_back(property);
        } else {
          same->value = all_of(same->value, property.value);
        }
      }
      own->value = std::move(properties);
    } else if (key == "required" && own->value.as_array() && theirs.value.as_array()) {
      Array names = *own->value.as_array();
      for (const JsonValue& name : *theirs.value.as_array()) {
        if (!contains(names, name)) names.push_back(name);
      }
      own->value = std::move(names);
    } else if (key == "enum" && own->value.as_array() && theirs.value.as_array()) {
      Array both;
      for (const JsonValue& value : *own->value.as_array()) {
        if (contains(*theirs.value.as_array(), value)) both.push_back(value);
      }
      own->value = std::move(both);
    } else if (key == "items" || key == "additionalProperties") {
      own->value = all_of(own->value, theirs.value);
    } else if (key == "allOf" && own->value.as_array() && theirs.value.as_array()) {
      Array all = *own->value.as_array();
      all.insert(all.end(), theirs.value.as_array()->begin(), theirs.value.as_array()->end());
      own->value = std::move(all);
    } else if (key == "minimum" || key == "exclusiveMinimum" || key.starts_with("min")) {
      if (less(own->value, theirs.value)) own->value = theirs.value;
    } else if (key == "maximum" || key == "exclusiveMaximum" || key.starts_with("max")) {
      if (less(theirs.value, own->value)) own->value = theirs.value;
    } else if (key != "title" && key != "description" && key != "default" && key != "examples" &&
               key != "$schema" && key != "$id" && key != "$comment") {
      lost.push_back(key);
    }
  }
  return out;
}

}  // namespace fathom::server

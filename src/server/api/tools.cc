// Tool definitions and their schemas. Source: api.md section 4.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "server/api/common_fields.h"
#include "text/regex.h"

namespace fathom::server {
namespace {

constexpr std::array<std::string_view, 7> kTypes = {"object",  "array",   "string", "number",
                                                    "integer", "boolean", "null"};

bool is_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, allowed);
}

void check_type(const JsonValue& type, const std::string& path) {
  const auto check = [&](const JsonValue& word) {
    if (!word.as_string() || std::ranges::find(kTypes, *word.as_string()) == kTypes.end())
      refuse(path, "expected the name of a JSON type, found {}", quoted(word));
  };
  if (const auto* list = type.as_array()) {
    if (list->empty()) refuse(path, "expected at least one type, found none");
    for (const JsonValue& word : *list) check(word);
  } else {
    check(type);
  }
}

}  // namespace

void check_schema(const JsonValue& schema, const std::string& path) {
  if (schema.as_bool()) return;
  const auto* members = schema.as_object();
  if (!members) refuse(path, "expected a JSON schema, found {}", quoted(schema));
  for (const auto& [key, value] : *members) {
    const std::string where = fmt::format("{}.{}", path, printable(key, 64));
    if (key == "type") {
      check_type(value, where);
    } else if (key == "enum" || key == "required") {
      if (!value.as_array()) refuse(where, "expected a list, found {}", quoted(value));
      if (key == "enum") continue;
      for (const JsonValue& name : *value.as_array()) {
        if (!name.as_string()) refuse(where, "expected names, found {}", quoted(name));
      }
    } else if (key == "properties" || key == "$defs" || key == "definitions" || key == "patternProperties") {
      if (!value.as_object()) refuse(where, "expected an object, found {}", quoted(value));
      for (const JsonMember& member : *value.as_object())
        check_schema(member.value, fmt::format("{}.{}", where, printable(member.key, 64)));
    } else if ((key == "items" && !value.as_array()) || key == "additionalProperties" || key == "not" ||
               key == "contains" || key == "propertyNames") {
      check_schema(value, where);
    } else if (key == "anyOf" || key == "oneOf" || key == "allOf" || key == "prefixItems") {
      if (!value.as_array()) refuse(where, "expected a list, found {}", quoted(value));
      for (const JsonValue& branch : *value.as_array()) check_schema(branch, where + "[]");
    } else if (key == "pattern") {
      if (!value.as_string()) refuse(where, "expected a string, found {}", quoted(value));
      try {
        const Regex compiled("(?:" + *value.as_string() + ")x", Regex::Guard::untimed);
      } catch (const Error&) {
        refuse(where, "expected a regular expression, found {}", quoted(value));
      }
    }
  }
}

namespace {

// `strict` fills an object's `additionalProperties` and `required` in at its end, in this order.
JsonValue completed(const JsonValue& schema, const std::string& path);

JsonValue completed_members(const JsonValue& object, const std::string& path) {
  JsonValue::Object out;
  for (const JsonMember& member : *object.as_object())
    out.push_back(
        {member.key, completed(member.value, fmt::format("{}.{}", path, printable(member.key, 64)))});
  return out;
}

JsonValue completed(const JsonValue& schema, const std::string& path) {
  const auto* members = schema.as_object();
  if (!members) return schema;
  constexpr std::array<std::string_view, 5> kSaying = {"type", "anyOf", "oneOf", "allOf", "$ref"};
  if (std::ranges::none_of(kSaying, [&](std::string_view key) { return schema.find(key) != nullptr; }))
    refuse(path + ".type", "expected a type in a strict schema, found none");
  JsonValue::Object out;
  for (const auto& [key, value] : *members) {
    const std::string where = fmt::format("{}.{}", path, printable(key, 64));
    const bool named = key == "properties" || key == "$defs" || key == "definitions" || key == "$def";
    if (named && value.as_object()) {
      out.push_back({key, completed_members(value, where)});
    } else if (key == "items" && value.as_object()) {
      out.push_back({key, completed(value, where)});
    } else if ((key == "anyOf" || key == "oneOf" || key == "allOf" || key == "prefixItems") &&
               value.as_array()) {
      JsonValue::Array branches;
      for (const JsonValue& branch : *value.as_array()) branches.push_back(completed(branch, where));
      out.push_back({key, std::move(branches)});
    } else {
      out.push_back({key, value});
    }
  }
  const JsonValue* type = schema.find("type");
  const JsonValue* properties = schema.find("properties");
  const bool object = (type && type->as_string() && *type->as_string() == "object") || properties;
  if (!object) return out;
  const JsonValue* additional = schema.find("additionalProperties");
  if (!additional) {
    out.push_back({"additionalProperties", false});
  } else if (!additional->as_bool() || *additional->as_bool()) {
    refuse(path + ".additionalProperties", "expected false in a strict schema, found {}",
           quoted(*additional));
  }
  JsonValue::Array names;
  if (properties && properties->as_object()) {
    for (const JsonMember& member : *properties->as_object()) names.emplace_back(member.key);
  }
  const JsonValue* required = schema.find("required");
  if (!required) {
    out.push_back({"required", std::move(names)});
  } else if (required->as_array()) {
    for (const JsonValue& name : names) {
      if (std::ranges::find(*required->as_array(), name) == required->as_array()->end())
        refuse(path + ".required", "expected every property in a strict schema, found {} left out",
               quoted(name));
    }
  }
  return out;
}

}  // namespace

JsonValue strict_schema(const JsonValue& schema, const std::string& path) { return completed(schema, path); }

void add_tool(ApiCall& call, ToolInfo info, const JsonValue* description, const JsonValue* parameters,
              const std::string& where, std::string_view parameters_key) {
  if (!is_name(info.name)) {
    refuse(where + ".name", "expected 1 to 128 letters, digits, '_' or '-', found '{}'",
           printable(info.name.substr(0, 64)));
  }
  for (const ToolInfo& other : call.tools) {
    if (other.name == info.name)
      refuse(where + ".name", "expected each name once, found '{}' twice", printable(info.name, 64));
  }
  const std::string path = fmt::format("{}.{}", where, parameters_key);
  JsonValue schema = JsonValue::Object{};
  if (parameters) {
    if (!parameters->as_object()) refuse(path, "expected a JSON schema, found {}", quoted(*parameters));
    const JsonValue* type = parameters->find("type");
    if (!type || !type->as_string() || *type->as_string() != "object")
      refuse(path, "expected a schema whose type is object, found {}", type ? quoted(*type) : "none");
    check_schema(*parameters, path);
    schema = info.strict ? strict_schema(*parameters, path) : *parameters;
  } else if (info.strict) {
    schema = JsonValue::Object{{"type", "object"},
                               {"properties", JsonValue::Object{}},
                               {"additionalProperties", false},
                               {"required", JsonValue::Array{}}};
  }
  if (description && !description->as_string())
    refuse(where + ".description", "expected a string, found {}", quoted(*description));
  if (info.local_name.empty()) info.local_name = info.name;
  call.request.tools.emplace_back(
      JsonValue::Object{{"name", info.name},
                        {"description", description ? *description : JsonValue("")},
                        {"parameters", std::move(schema)}});
  call.tools.push_back(std::move(info));
}

void set_tool_choice(ApiCall& call, const std::string& word, const JsonValue& given) {
  if (word == "none") {
    call.request.tool_choice = ApiRequest::ToolChoice::none;
  } else if (word == "required") {
    call.request.tool_choice = ApiRequest::ToolChoice::required;
    if (call.tools.empty()) refuse("tool_choice", "expected tools for a required call, found none");
  } else if (word != "auto") {
    refuse("tool_choice", "expected none, auto, required or an object, found {}", quoted(given));
  }
}

size_t tool_index(const ApiCall& call, const std::string& name, const std::string& path) {
  for (size_t i = 0; i < call.tools.size(); ++i) {
    if (call.tools[i].name == name) return i;
  }
  refuse(path, "expected the name of one of the tools, found '{}'", printable(name, 64));
}

}  // namespace fathom::server

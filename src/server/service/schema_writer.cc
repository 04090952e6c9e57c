#include "server/service/schema_writer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "server/api/api_error.h"
#include "server/api/json_text.h"
#include "server/service/number_grammar.h"
#include "server/service/schema_merge.h"
#include "server/service/string_formats.h"

namespace fathom::server {
namespace {

constexpr int kMaxDepth = 64;

template <class F>
std::string joined(const JsonValue::Array& list, F one) {
  std::string out = "(";
  for (size_t i = 0; i < list.size(); ++i) out += (i > 0 ? " | " : "") + one(list[i], i);
  return out + ")";
}

}  // namespace

// White space between tokens is bounded, or a weak model would write nothing else.
const std::string_view kJsonRules =
    "ws ::= [ \\t\\n\\r]{0,16}\n"
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? \"}\"\n"
    "pair ::= string ws \":\" ws value ws\n"
    "array ::= \"[\" ws (value ws (\",\" ws value ws)*)? \"]\"\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "char ::= [^\\\"\\\\\\x00-\\x1F] | \"\\\\\" ([\\\"\\\\/bfnrt] | \"u\" ([0-9a-cefA-CEF] hex hex hex | "
    "[dD] [0-7] hex hex))\n"
    "hex ::= [0-9a-fA-F]\n"
    "integer ::= \"-\"? (\"0\" | [1-9] [0-9]{0,15})\n"
    "number ::= integer (\".\" [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?\n";

// A text as a GBNF literal.
std::string gbnf_literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string SchemaWriter::value(const JsonValue& schema) {
  root_ = &schema;
  ++roots_;
  return expression(schema, "", 0);
}

std::string SchemaWriter::grammar(const std::string& top) const {
  std::string out = "root ::= " + top + "\n" + std::string(kJsonRules);
  for (const auto& [pointer, rule] : rules_) out += rule.name + " ::= " + rule.body + "\n";
  return out + more_rules_;
}

std::string SchemaWriter::add_rule(const std::string& body) {
  const std::string key = "=" + body;
  const auto known = rules_.find(key);
  if (known != rules_.end()) return known->second.name;
  const std::string name = fmt::format("part-{}", rules_.size());
  rules_[key] = {name, body};
  return name;
}

void SchemaWriter::refuse_at(const std::string& pointer, std::string_view what) const {
  throw ApiError(400, "invalid_schema", fmt::format("{}: at '{}': {}", path_, printable(pointer, 120), what),
                 path_);
}

void SchemaWriter::too_complex(const std::string& pointer) const {
  throw ApiError(422, "constraint_too_complex",
                 fmt::format("{}: at '{}': expected a smaller schema", path_, printable(pointer, 120)),
                 path_);
}

std::string SchemaWriter::expression(const JsonValue& schema, const std::string& pointer, int depth) {
  if (depth > kMaxDepth || ++nodes_ > 20'000) too_complex(pointer);
  if (const bool* any = schema.as_bool()) {
    if (!*any) refuse_at(pointer, "expected a schema that something fulfils");
    return "value";
  }
  if (!schema.as_object()) refuse_at(pointer, "expected a schema");
  check_keywords(schema, pointer);
  if (const JsonValue* reference = schema.find("$ref")) {
    const JsonValue rest = without(schema, "$ref");
    if (!demands(rest)) return referenced(*reference, pointer, depth);
    return expression(joined_with(target_of(*reference, pointer), rest, pointer), pointer, depth + 1);
  }
  if (const JsonValue* list = schema.find("allOf")) {
    if (!list->as_array() || list->as_array()->empty()) refuse_at(pointer + "/allOf", "expected schemas");
    if (list->as_array()->size() > 256) too_complex(pointer + "/allOf");
    JsonValue all = JsonValue::Object{};
    for (const JsonValue& each : *list->as_array())
      all = joined_with(all, resolved(each, pointer, 0), pointer);
    all = joined_with(all, without(schema, "allOf"), pointer);
    return expression(all, pointer + "/allOf", depth + 1);
  }
  if (const JsonValue* constant = schema.find("const")) return gbnf_literal(compact_json(*constant));
  if (const JsonValue* list = schema.find("enum")) {
    if (!list->as_array() || list->as_array()->empty()) refuse_at(pointer + "/enum", "expected values");
    if (list->as_array()->size() > 10'000) too_complex(pointer + "/enum");
    return joined(*list->as_array(),
                  [](const JsonValue& value, size_t) { return gbnf_literal(compact_json(value)); });
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const JsonValue* list = schema.find(key);
    if (!list) continue;
    if (!list->as_array() || list->as_array()->empty()) refuse_at(pointer + "/" + key, "expected schemas");
    if (list->as_array()->size() > 10'000) too_complex(pointer + "/" + key);
    const JsonValue rest = without(schema, key);
    const bool more = demands(rest);
    return joined(*list->as_array(), [&](const JsonValue& branch, size_t i) {
      const std::string place = fmt::format("{}/{}/{}", pointer, key, i);
      if (!more) return expression(branch, place, depth + 1);
      return expression(joined_with(rest, resolved(branch, place, 0), place), place, depth + 1);
    });
  }
  const JsonValue* type = schema.find("type");
  if (type && type->as_array()) {
    if (type->as_array()->empty()) refuse_at(pointer + "/type", "expected a type that something fulfils");
    return joined(*type->as_array(), [&](const JsonValue& word, size_t) {
      return typed(schema, word.as_string() ? *word.as_string() : "", pointer, depth);
    });
  }
  if (type && type->as_string()) return typed(schema, *type->as_string(), pointer, depth);
  // Without a type its keywords tell which is meant.
  constexpr std::array<std::pair<std::string_view, const char*>, 18> kMeant = {
      {{"properties", "object"},
       {"patternProperties", "object"},
       {"required", "object"},
       {"additionalProperties", "object"},
       {"minProperties", "object"},
       {"maxProperties", "object"},
       {"items", "array"},
       {"prefixItems", "array"},
       {"minItems", "array"},
       {"maxItems", "array"},
       {"pattern", "string"},
       {"format", "string"},
       {"minLength", "string"},
       {"maxLength", "string"},
       {"minimum", "number"},
       {"maximum", "number"},
       {"exclusiveMinimum", "number"},
       {"exclusiveMaximum", "number"}}};
  for (const auto& [key, meant] : kMeant) {
    if (schema.find(key)) return typed(schema, meant, pointer, depth);
  }
  return schema.find("multipleOf") ? typed(schema, "number", pointer, depth) : "value";
}

void SchemaWriter::check_keywords(const JsonValue& schema, const std::string& pointer) const {
  constexpr std::array<std::string_view, 41> kKnown = {"type",
                                                       "enum",
                                                       "const",
                                                       "properties",
                                                       "required",
                                                       "additionalProperties",
                                                       "items",
                                                       "minItems",
                                                       "maxItems",
                                                       "anyOf",
                                                       "oneOf",
                                                       "$ref",
                                                       "$defs",
                                                       "definitions",
                                                       "$def",
                                                       "minLength",
                                                       "maxLength",
                                                       "title",
                                                       "description",
                                                       "default",
                                                       "examples",
                                                       "$schema",
                                                       "$id",
                                                       "$comment",
                                                       "deprecated",
                                                       "readOnly",
                                                       "writeOnly",
                                                       "strict",
                                                       "name",
                                                       "allOf",
                                                       "pattern",
                                                       "format",
                                                       "minimum",
                                                       "maximum",
                                                       "exclusiveMinimum",
                                                       "exclusiveMaximum",
                                                       "multipleOf",
                                                       "prefixItems",
                                                       "patternProperties",
                                                       "minProperties",
                                                       "maxProperties"};
  for (const JsonMember& member : *schema.as_object()) {
    if (std::ranges::find(kKnown, member.key) != kKnown.end() || member.key.starts_with("x-")) continue;
    not_held(pointer + "/" + member.key);
  }
}

void SchemaWriter::not_held(const std::string& place) const {
  if (strict_ || !unenforced_) refuse_at(place, "expected a keyword that can be enforced, found another");
  if (unenforced_->size() < 32) unenforced_->push_back(place);
}

void SchemaWriter::not_held(const std::string& pointer, const std::vector<std::string>& keys) const {
  for (const std::string& key : keys) not_held(fmt::format("{}/{}", pointer, key));
}

JsonValue SchemaWriter::without(const JsonValue& schema, std::string_view key) {
  JsonValue::Object out;
  for (const JsonMember& member : *schema.as_object()) {
    if (member.key != key) out.push_back(member);
  }
  return out;
}

bool SchemaWriter::demands(const JsonValue& schema) {
  constexpr std::array<std::string_view, 15> kNotes = {
      "title",       "description", "default",    "examples", "$schema",   "$id",    "$comment", "$defs",
      "definitions", "$def",        "deprecated", "readOnly", "writeOnly", "strict", "name"};
  return std::ranges::any_of(*schema.as_object(), [&](const JsonMember& member) {
    return std::ranges::find(kNotes, member.key) == kNotes.end() && !member.key.starts_with("x-");
  });
}

JsonValue SchemaWriter::joined_with(const JsonValue& a, const JsonValue& b, const std::string& pointer) {
  std::vector<std::string> lost;
  JsonValue out = merged_schemas(a, b, lost);
  not_held(pointer, lost);
  return out;
}

JsonValue SchemaWriter::resolved(const JsonValue& schema, const std::string& pointer, int depth) {
  if (depth > kMaxDepth || ++nodes_ > 20'000) too_complex(pointer);
  const JsonValue* reference = schema.find("$ref");
  if (!reference) return schema;
  const JsonValue target = resolved(target_of(*reference, pointer), pointer, depth + 1);
  return joined_with(target, without(schema, "$ref"), pointer);
}

const JsonValue& SchemaWriter::target_of(const JsonValue& reference, const std::string& pointer) const {
  const std::string* text = reference.as_string();
  if (!text || !text->starts_with("#"))
    refuse_at(pointer + "/$ref", "expected a reference within the schema");
  const JsonValue* target = root_;
  std::string_view rest = std::string_view(*text).substr(1);
  while (!rest.empty()) {
    if (rest.front() != '/') refuse_at(pointer + "/$ref", "expected a JSON pointer");
    rest.remove_prefix(1);
    const std::string_view key = rest.substr(0, rest.find('/'));
    rest.remove_prefix(key.size());
    target = target->find(key);
    if (!target) refuse_at(pointer + "/$ref", "expected a definition, found none");
  }
  return *target;
}

std::string SchemaWriter::referenced(const JsonValue& reference, const std::string& pointer, int depth) {
  const JsonValue& target = target_of(reference, pointer);
  const std::string* text = reference.as_string();
  const std::string rule = std::to_string(roots_) + *text;
  const auto known = rules_.find(rule);
  if (known != rules_.end()) return known->second.name;
  const std::string name = fmt::format("ref-{}", rules_.size());
  rules_[rule] = {name, ""};
  std::string body = expression(target, *text, depth + 1);
  rules_[rule].body = std::move(body);
  return name;
}

std::string SchemaWriter::typed(const JsonValue& schema, const std::string& type, const std::string& pointer,
                                int depth) {
  if (type == "object") return object(schema, pointer, depth);
  if (type == "array") return array(schema, pointer, depth);
  if (type == "string") {
    const int64_t least = count(schema, "minLength", 0, pointer),
                  most = count(schema, "maxLength", -1, pointer);
    if (most >= 0 && most < least) refuse_at(pointer + "/maxLength", "expected at least minLength");
    std::vector<std::string> lost;
    std::string out = strings_of_schema(
        schema, path_, most < 0 && least == 0 ? std::string() : repeated("char", least, most), lost);
    not_held(pointer, lost);
    return out;
  }
  if (type == "integer" || type == "number") {
    std::vector<std::string> lost;
    std::string out =
        numbers_of_schema(schema, type == "integer", fmt::format("multiple-{}", ++names_), more_rules_, lost);
    not_held(pointer, lost);
    if (out.empty()) refuse_at(pointer, "expected bounds that a number fulfils");
    return out;
  }
  if (type == "boolean") return "(\"true\" | \"false\")";
  if (type == "null") return "\"null\"";
  refuse_at(pointer + "/type", "expected the name of a JSON type");
}

}  // namespace fathom::server

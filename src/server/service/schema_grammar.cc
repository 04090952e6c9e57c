#include "server/service/schema_grammar.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "server/api/api_error.h"
#include "server/api/json_text.h"

namespace fathom::server {
namespace {

// White space between tokens is bounded, or a weak model would write nothing else.
constexpr std::string_view kCommon =
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

constexpr int64_t kMaxCount = 1000;  // of a repeat; beyond, a grammar grows too large
constexpr int kMaxDepth = 64;

// A text as a GBNF literal.
std::string literal(std::string_view text) {
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

class SchemaWriter {
 public:
  SchemaWriter(std::string path, bool strict, std::vector<std::string>* unenforced)
      : path_(std::move(path)), strict_(strict), unenforced_(unenforced) {}

  /// A value of a schema as an expression over the rules of grammar().
  std::string value(const JsonValue& schema) {
    root_ = &schema;
    ++roots_;
    return expression(schema, "", 0);
  }
  std::string grammar(const std::string& top) const {
    std::string out = "root ::= " + top + "\n" + std::string(kCommon);
    for (const auto& [pointer, rule] : rules_) out += rule.name + " ::= " + rule.body + "\n";
    return out;
  }
  // A rule of its own for what is used several times.
  std::string add_rule(const std::string& body) {
    const std::string key = "=" + body;
    const auto known = rules_.find(key);
    if (known != rules_.end()) return known->second.name;
    const std::string name = fmt::format("part-{}", rules_.size());
    rules_[key] = {name, body};
    return name;
  }

 private:
  struct Rule {
    std::string name, body;
  };

  [[noreturn]] void refuse_at(const std::string& pointer, std::string_view what) const {
    throw ApiError(400, "invalid_schema",
                   fmt::format("{}: at '{}': {}", path_, printable(pointer, 120), what), path_);
  }
  [[noreturn]] void too_complex(const std::string& pointer) const {
    throw ApiError(422, "constraint_too_complex",
                   fmt::format("{}: at '{}': expected a smaller schema", path_, printable(pointer, 120)),
                   path_);
  }

  int64_t count(const JsonValue& schema, const char* key, int64_t otherwise,
                const std::string& pointer) const {
    const JsonValue* value = schema.find(key);
    if (!value) return otherwise;
    const auto* digits = value->as_integer();
    if (!digits || digits->digits.front() == '-') refuse_at(pointer + "/" + key, "expected a count");
    if (digits->digits.size() > 4 || std::stoll(digits->digits) > kMaxCount) too_complex(pointer + "/" + key);
    return std::stoll(digits->digits);
  }

  // As a GBNF expression.
  std::string expression(const JsonValue& schema, const std::string& pointer, int depth) {
    if (depth > kMaxDepth || ++nodes_ > 20'000) too_complex(pointer);
    if (const bool* any = schema.as_bool()) {
      if (!*any) refuse_at(pointer, "expected a schema that something fulfils");
      return "value";
    }
    check_keywords(schema, pointer);
    if (const JsonValue* reference = schema.find("$ref")) return referenced(*reference, pointer, depth);
    if (const JsonValue* constant = schema.find("const")) return literal(compact_json(*constant));
    if (const JsonValue* list = schema.find("enum")) {
      if (!list->as_array() || list->as_array()->empty()) refuse_at(pointer + "/enum", "expected values");
      if (list->as_array()->size() > 10'000) too_complex(pointer + "/enum");
      return joined(*list->as_array(),
                    [](const JsonValue& value, size_t) { return literal(compact_json(value)); });
    }
    for (const char* key : {"anyOf", "oneOf"}) {
      const JsonValue* list = schema.find(key);
      if (!list) continue;
      if (!list->as_array() || list->as_array()->empty()) refuse_at(pointer + "/" + key, "expected schemas");
      if (list->as_array()->size() > 10'000) too_complex(pointer + "/" + key);
      return joined(*list->as_array(), [&](const JsonValue& branch, size_t i) {
        return expression(branch, fmt::format("{}/{}/{}", pointer, key, i), depth + 1);
      });
    }
    const JsonValue* type = schema.find("type");
    if (type && type->as_array()) {
      return joined(*type->as_array(), [&](const JsonValue& word, size_t) {
        return typed(schema, word.as_string() ? *word.as_string() : "", pointer, depth);
      });
    }
    if (type && type->as_string()) return typed(schema, *type->as_string(), pointer, depth);
    if (schema.find("properties")) return typed(schema, "object", pointer, depth);
    if (schema.find("items")) return typed(schema, "array", pointer, depth);
    return "value";
  }

  template <class F>
  static std::string joined(const JsonValue::Array& list, F one) {
    std::string out = "(";
    for (size_t i = 0; i < list.size(); ++i) out += (i > 0 ? " | " : "") + one(list[i], i);
    return out + ")";
  }

  // Keywords that the grammar cannot hold are refused, or said in the answer where the schema is not strict.
  void check_keywords(const JsonValue& schema, const std::string& pointer) const {
    constexpr std::array<std::string_view, 29> kKnown = {
        "type",        "enum",        "const",     "properties", "required",  "additionalProperties",
        "items",       "minItems",    "maxItems",  "anyOf",      "oneOf",     "$ref",
        "$defs",       "definitions", "$def",      "minLength",  "maxLength", "title",
        "description", "default",     "examples",  "$schema",    "$id",       "$comment",
        "deprecated",  "readOnly",    "writeOnly", "strict",     "name"};
    for (const JsonMember& member : *schema.as_object()) {
      if (std::ranges::find(kKnown, member.key) != kKnown.end() || member.key.starts_with("x-")) continue;
      const std::string place = pointer + "/" + member.key;
      if (strict_ || !unenforced_) refuse_at(place, "expected a keyword that can be enforced, found another");
      if (unenforced_->size() < 32) unenforced_->push_back(place);
    }
  }

  std::string referenced(const JsonValue& reference, const std::string& pointer, int depth) {
    const std::string* text = reference.as_string();
    if (!text || !text->starts_with("#"))
      refuse_at(pointer + "/$ref", "expected a reference within the schema");
    const std::string rule = std::to_string(roots_) + *text;
    const auto known = rules_.find(rule);
    if (known != rules_.end()) return known->second.name;
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
    const std::string name = fmt::format("ref-{}", rules_.size());
    rules_[rule] = {name, ""};
    std::string body = expression(*target, *text, depth + 1);
    rules_[rule].body = std::move(body);
    return name;
  }

  std::string typed(const JsonValue& schema, const std::string& type, const std::string& pointer, int depth) {
    if (type == "object") return object(schema, pointer, depth);
    if (type == "array") return array(schema, pointer, depth);
    if (type == "string") {
      const int64_t least = count(schema, "minLength", 0, pointer),
                    most = count(schema, "maxLength", -1, pointer);
      if (most >= 0 && most < least) refuse_at(pointer + "/maxLength", "expected at least minLength");
      if (most < 0 && least == 0) return "string";
      return fmt::format("\"\\\"\" char{{{},{}}} \"\\\"\"", least, most < 0 ? "" : std::to_string(most));
    }
    if (type == "integer") return "integer";
    if (type == "number") return "number";
    if (type == "boolean") return "(\"true\" | \"false\")";
    if (type == "null") return "\"null\"";
    refuse_at(pointer + "/type", "expected the name of a JSON type");
  }

  // Properties in the schema's order; those that are not required may be left out. With a comma between those
  // that come, whichever they are: one rule says what may follow the first i properties if some of them came.
  std::string object(const JsonValue& schema, const std::string& pointer, int depth) {
    const JsonValue* properties = schema.find("properties");
    const JsonValue* additional = schema.find("additionalProperties");
    if (!properties || !properties->as_object() || properties->as_object()->empty()) {
      const bool closed = additional && additional->as_bool() && !*additional->as_bool();
      if (closed) return "\"{\" ws \"}\"";
      if (!additional || additional->as_bool()) return "object";
      const std::string value = expression(*additional, pointer + "/additionalProperties", depth + 1);
      const std::string pair = "string ws \":\" ws " + value + " ws";
      return fmt::format("\"{{\" ws ({} (\",\" ws {})*)? \"}}\"", pair, pair);
    }
    const JsonValue* required = schema.find("required");
    const auto is_required = [&](const std::string& name) {
      return required && required->as_array() &&
             std::ranges::find(*required->as_array(), JsonValue(name)) != required->as_array()->end();
    };
    std::vector<std::pair<std::string, bool>> members;
    for (const JsonMember& member : *properties->as_object()) {
      const std::string value = expression(member.value, pointer + "/properties/" + member.key, depth + 1);
      members.emplace_back(fmt::format("{} ws \":\" ws {} ws", literal(json_quote(member.key)), value),
                           is_required(member.key));
    }
    // after: what may follow when one has come; first: when none has.
    std::string after, first;
    for (auto it = members.rbegin(); it != members.rend(); ++it) {
      const auto& [pair, must] = *it;
      const std::string rest = after.empty() ? "" : " " + add_rule(after);
      const std::string skip = first;
      after = must ? fmt::format("\",\" ws {}{}", pair, rest) : fmt::format("(\",\" ws {})?{}", pair, rest);
      if (must) {
        first = pair + rest;
      } else {
        first = skip.empty() ? fmt::format("({}{})?", pair, rest)
                             : fmt::format("({}{} | {})", pair, rest, add_rule(skip));
      }
    }
    return fmt::format("\"{{\" ws {} \"}}\"", first);
  }

  std::string array(const JsonValue& schema, const std::string& pointer, int depth) {
    const JsonValue* items = schema.find("items");
    const std::string item = (items ? expression(*items, pointer + "/items", depth + 1) : "value") + " ws";
    const int64_t least = count(schema, "minItems", 0, pointer),
                  most = count(schema, "maxItems", -1, pointer);
    if (most >= 0 && most < least) refuse_at(pointer + "/maxItems", "expected at least minItems");
    if (most == 0) return "\"[\" ws \"]\"";
    const std::string rule = add_rule(item);
    const std::string more = fmt::format("(\",\" ws {}){{{},{}}}", rule, std::max<int64_t>(least - 1, 0),
                                         most < 0 ? "" : std::to_string(most - 1));
    return least == 0 ? fmt::format("\"[\" ws ({} {})? \"]\"", rule, more)
                      : fmt::format("\"[\" ws {} {} \"]\"", rule, more);
  }

  const JsonValue* root_ = nullptr;
  int64_t roots_ = 0;
  std::string path_;
  bool strict_;
  std::vector<std::string>* unenforced_;
  std::map<std::string, Rule> rules_;  // by schema and reference, or "=" and the body
  int64_t nodes_ = 0;
};

}  // namespace

std::string json_object_grammar() { return "root ::= object\n" + std::string(kCommon); }

std::string schema_grammar(const JsonValue& schema, const std::string& path, bool strict,
                           std::vector<std::string>& unenforced) {
  SchemaWriter writer(path, strict, &unenforced);
  return writer.grammar(writer.value(schema));
}

// The prompt, or what is forced after the reasoning, ends with the first line of the block.
std::string tool_calls_grammar(const std::vector<CallableTool>& tools, bool single, bool opened) {
  std::vector<std::string> unenforced;  // of tools that are not strict: values are free within the markup
  SchemaWriter writer("tools", false, &unenforced);
  std::string invokes;
  for (const CallableTool& tool : tools) {
    const JsonValue* properties = tool.parameters->find("properties");
    const JsonValue* required = tool.parameters->find("required");
    std::string parameters, any;
    if (properties && properties->as_object()) {
      for (const JsonMember& member : *properties->as_object()) {
        const JsonValue* type = member.value.find("type");
        const bool text = !type || type->as_array() || *type == JsonValue("string");
        const bool closed = member.value.find("enum") || member.value.find("const");
        const std::string start = "\"<\" %dsml " + literal("parameter name=\"" + member.key + "\" string=\"");
        const std::string end = " \"</\" %dsml \"parameter>\\n\"";
        std::string forms;
        if (text && !closed) forms = start + " \"true\\\">\" any" + end;
        if (closed || !text || type == nullptr) {
          forms +=
              (forms.empty() ? "" : " | ") + start + " \"false\\\">\" " + writer.value(member.value) + end;
        }
        const std::string rule = writer.add_rule(forms);
        any += (any.empty() ? "" : " | ") + rule;
        const bool must =
            required && required->as_array() &&
            std::ranges::find(*required->as_array(), JsonValue(member.key)) != required->as_array()->end();
        parameters += " " + rule + (must ? "" : "?");
      }
    }
    if (any.empty()) parameters.clear();
    invokes += (invokes.empty() ? "" : " | ") + std::string("\"<\" %dsml ") +
               literal("invoke name=\"" + tool.name + "\">\n") + parameters + " \"</\" %dsml \"invoke>\"";
  }
  const std::string invoke = writer.add_rule(invokes);
  const std::string opening = opened ? "" : "\"\\n\\n<\" %dsml \"tool_calls>\\n\" ";
  return writer.grammar(opening + invoke + (single ? "" : " (\"\\n\" " + invoke + ")*") +
                        " \"\\n</\" %dsml \"tool_calls>\"") +
         "any ::= .*\n";
}

}  // namespace fathom::server

// Arrays and objects of JSON schemas.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "server/api/api_error.h"
#include "server/service/schema_grammar.h"
#include "server/service/schema_writer.h"

namespace fathom::server {
namespace {

constexpr int64_t kMaxCount = 1'000'000, kBlock = 1000;  // of a repeat, and of what is repeated in turn

}  // namespace

std::string SchemaWriter::repeated(const std::string& item, int64_t least, int64_t most) {
  const auto plain = [](const std::string& what, int64_t from, int64_t to) {
    return fmt::format("{}{{{},{}}}", what, from, to < 0 ? "" : std::to_string(to));
  };
  if (std::max(least, most) <= kBlock) return plain(item, least, most);
  const std::string block = add_rule(fmt::format("{}{{{}}}", item, kBlock));
  std::string out;
  if (least > 0)
    out = plain(block, least / kBlock, least / kBlock) + " " + plain(item, least % kBlock, least % kBlock);
  if (most < 0) return out + " " + item + "*";
  const int64_t more = most - least;
  if (more < kBlock) return out + " " + plain(item, 0, more);
  return out + fmt::format(" ({} {} | {} {})", plain(block, 0, more / kBlock - 1), plain(item, 0, kBlock - 1),
                           plain(block, more / kBlock, more / kBlock), plain(item, 0, more % kBlock));
}

std::string SchemaWriter::listed(const std::string& item, int64_t least, int64_t most) {
  if (most == 0) return "";
  const std::string rule = add_rule(item);
  const std::string all =
      rule + " " +
      repeated(add_rule("\",\" ws " + rule), std::max<int64_t>(least - 1, 0), most < 0 ? -1 : most - 1);
  return least == 0 ? "(" + all + ")?" : all;
}

std::string SchemaWriter::pair_of(const std::string& key, const std::string& value) const {
  return key + " ws \":\" ws " + value + " ws";
}

std::string SchemaWriter::free_object(const JsonValue& schema, const std::string& pointer, int depth,
                                      int64_t least, int64_t most) {
  const JsonValue* additional = schema.find("additionalProperties");
  const JsonValue* patterns = schema.find("patternProperties");
  std::string pairs;
  if (patterns && patterns->as_object() && !patterns->as_object()->empty()) {
    // Only names that fit a pattern: others might need another value.
    for (const JsonMember& member : *patterns->as_object()) {
      const std::string place = pointer + "/patternProperties/" + member.key;
      std::string name;
      try {
        name = pattern_expression(member.key, path_);
      } catch (const ApiError& error) {  // what the syntax does not have, as looking ahead: no such names
        if (error.status != 400) throw;
        not_held(place);
        continue;
      }
      const std::string key = fmt::format("\"\\\"\" {} \"\\\"\"", name);
      pairs += (pairs.empty() ? "" : " | ") + pair_of(key, expression(member.value, place, depth + 1));
    }
    if (pairs.empty()) pairs = "pair";
    if (patterns->as_object()->size() > 1) pairs = add_rule(pairs);
  } else if (additional && additional->as_bool() && !*additional->as_bool()) {
    if (least > 0) refuse_at(pointer + "/minProperties", "expected properties that may be there");
    return "\"{\" ws \"}\"";
  } else if (!additional || additional->as_bool()) {
    if (least == 0 && most < 0) return "object";
    pairs = "pair";
  } else {
    pairs = pair_of("string", expression(*additional, pointer + "/additionalProperties", depth + 1));
  }
  return "\"{\" ws " + listed(pairs, least, most) + " \"}\"";
}

std::string SchemaWriter::object(const JsonValue& schema, const std::string& pointer, int depth) {
  const JsonValue* properties = schema.find("properties");
  const JsonValue* required = schema.find("required");
  const int64_t least = count(schema, "minProperties", 0, pointer),
                most = count(schema, "maxProperties", -1, pointer);
  if (most >= 0 && most < least) refuse_at(pointer + "/maxProperties", "expected at least minProperties");
  const JsonValue::Object none;
  const JsonValue::Object& known = properties && properties->as_object() ? *properties->as_object() : none;
  const JsonValue::Array no_names;
  const JsonValue::Array& names = required && required->as_array() ? *required->as_array() : no_names;
  if (known.empty() && names.empty()) return free_object(schema, pointer, depth, least, most);
  std::vector<std::pair<std::string, bool>> members;
  int64_t musts = 0;
  for (const JsonMember& member : known) {
    const bool must = std::ranges::find(names, JsonValue(member.key)) != names.end();
    const std::string place = pointer + "/properties/" + member.key;
    if (const bool* any = member.value.as_bool(); any && !*any) {  // it may not be there
      if (must) refuse_at(place, "expected a schema that something fulfils");
      continue;
    }
    members.emplace_back(
        pair_of(gbnf_literal(json_quote(member.key)), expression(member.value, place, depth + 1)), must);
    musts += must ? 1 : 0;
  }
  for (const JsonValue& name : names) {  // those that only `required` knows
    if (!name.as_string()) refuse_at(pointer + "/required", "expected names");
    if (properties && properties->find(*name.as_string())) continue;
    const JsonValue* additional = schema.find("additionalProperties");
    const std::string value =
        additional ? expression(*additional, pointer + "/additionalProperties", depth + 1) : "value";
    members.emplace_back(pair_of(gbnf_literal(json_quote(*name.as_string())), value), true);
    ++musts;
  }
  if (members.empty()) return "\"{\" ws \"}\"";
  if (schema.find("patternProperties")) not_held(pointer + "/patternProperties");
  if (least > musts) not_held(pointer + "/minProperties");
  if (most >= 0 && most < std::ssize(members)) not_held(pointer + "/maxProperties");
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

std::string SchemaWriter::array(const JsonValue& schema, const std::string& pointer, int depth) {
  const JsonValue* items = schema.find("items");
  const JsonValue* prefix = schema.find("prefixItems");
  const int64_t least = count(schema, "minItems", 0, pointer);
  int64_t most = count(schema, "maxItems", -1, pointer);
  if (most >= 0 && most < least) refuse_at(pointer + "/maxItems", "expected at least minItems");
  if (prefix && !prefix->as_array()) refuse_at(pointer + "/prefixItems", "expected schemas");
  const int64_t first = prefix ? std::ssize(*prefix->as_array()) : 0;
  if (items && items->as_bool() && !*items->as_bool()) most = most < 0 ? first : std::min(most, first);
  if (most >= 0 && most < least) refuse_at(pointer + "/items", "expected at least minItems");
  if (most == 0) return "\"[\" ws \"]\"";
  std::string rest;  // what follows the first `i` items
  if (most < 0 || most > first) {
    const std::string item = (items ? expression(*items, pointer + "/items", depth + 1) : "value") + " ws";
    const int64_t needed = std::max<int64_t>(least - first, 0), room = most < 0 ? -1 : most - first;
    if (first == 0) return "\"[\" ws " + listed(item, least, most) + " \"]\"";
    rest = repeated(add_rule("\",\" ws " + item), needed, room);
  }
  for (int64_t i = most < 0 ? first - 1 : std::min(first, most) - 1; i >= 0; --i) {
    const std::string place = fmt::format("{}/prefixItems/{}", pointer, i);
    const std::string item = expression((*prefix->as_array())[static_cast<size_t>(i)], place, depth + 1);
    const std::string tail = fmt::format("{}{} ws {}", i > 0 ? "\",\" ws " : "", item, rest);
    rest = i >= least ? "(" + add_rule(tail) + ")?" : add_rule(tail);
  }
  return "\"[\" ws " + rest + " \"]\"";
}

int64_t SchemaWriter::count(const JsonValue& schema, const char* key, int64_t otherwise,
                            const std::string& pointer) const {
  const JsonValue* value = schema.find(key);
  if (!value) return otherwise;
  const auto* digits = value->as_integer();
  if (!digits || digits->digits.front() == '-') refuse_at(pointer + "/" + key, "expected a count");
  if (digits->digits.size() > 7 || std::stoll(digits->digits) > kMaxCount) too_complex(pointer + "/" + key);
  return std::stoll(digits->digits);
}

}  // namespace fathom::server

#include "server/service/string_formats.h"

#include <fmt/core.h>

#include "server/api/api_error.h"
#include "server/service/schema_grammar.h"

namespace fathom::server {
namespace {

// Valid days of each month; 29 February always.
const std::string kDate =
    "\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|[12]\\d))";
const std::string kTime =
    "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)";
const std::string kLabel = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const std::string kByte = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const std::string kIpv4 = kByte + "\\." + kByte + "\\." + kByte + "\\." + kByte;

// At most one "::", which stands for one group or more.
std::string ipv6() {
  const std::string group = "[0-9A-Fa-f]{1,4}";
  std::string out = "(" + group + ":){7}" + group;
  for (int before = 0; before <= 7; ++before) {
    const int after = 7 - before;  // at most so many groups follow
    out += "|";
    if (before > 0) out += "(" + group + ":){" + std::to_string(before) + "}:";
    if (before == 0) out += "::";
    if (after > 0) out += fmt::format("({}(:{}){{0,{}}})?", group, group, after - 1);
  }
  return out;
}

}  // namespace

std::optional<std::string> format_pattern(std::string_view name) {
  if (name == "date") return "^(" + kDate + ")$";
  if (name == "time") return "^(" + kTime + ")$";
  if (name == "date-time") return "^(" + kDate + "[Tt]" + kTime + ")$";
  if (name == "email") return "^([A-Za-z0-9._%+-]+@" + kLabel + "(\\." + kLabel + ")+)$";
  if (name == "hostname") return "^(" + kLabel + "(\\." + kLabel + ")*)$";
  if (name == "ipv4") return "^(" + kIpv4 + ")$";
  if (name == "ipv6") return "^(" + ipv6() + ")$";
  if (name == "uuid") return "^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$";
  if (name == "uri") return "^([A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-\\[\\]_a-z~]+)$";
  return std::nullopt;
}

// One demand is held: the pattern, else the format, else the length.
std::string strings_of_schema(const JsonValue& schema, const std::string& path, const std::string& length,
                              std::vector<std::string>& lost) {
  const JsonValue* pattern = schema.find("pattern");
  const JsonValue* format = schema.find("format");
  std::string inside;
  if (pattern) {
    try {
      if (pattern->as_string()) inside = pattern_expression(*pattern->as_string(), path);
    } catch (const ApiError& error) {  // what the syntax does not have, as looking ahead
      if (error.status != 400) throw;
    }
    if (inside.empty()) lost.emplace_back("pattern");
  }
  if (format) {
    const std::optional<std::string> known =
        format->as_string() ? format_pattern(*format->as_string()) : std::nullopt;
    if (known && inside.empty()) {
      inside = pattern_expression(*known, path);
    } else {
      lost.emplace_back("format");
    }
  }
  if (!inside.empty() && !length.empty()) {
    for (const char* key : {"minLength", "maxLength"}) {
      if (schema.find(key)) lost.emplace_back(key);
    }
  }
  if (inside.empty()) inside = length;
  return inside.empty() ? "string" : "\"\\\"\" " + inside + " \"\\\"\"";
}

}  // namespace fathom::server

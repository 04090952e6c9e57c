#include "server/service/schema_grammar.h"

#include <fmt/core.h>

#include <algorithm>

#include "server/service/schema_writer.h"

namespace fathom::server {

std::string json_object_grammar() { return "root ::= object\n" + std::string(kJsonRules); }

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
        const std::string start =
            "\"<\" %dsml " + gbnf_literal("parameter name=\"" + member.key + "\" string=\"");
        const std::string end = " \"</\" %dsml \"parameter>\\n\"";
        std::string forms;
        if (text && !closed) forms = fmt::format("{} \"true\\\">\" any{}", start, end);
        if (closed || !text || type == nullptr) {
          forms += (forms.empty() ? "" : " | ") +
                   fmt::format("{} \"false\\\">\" {}{}", start, writer.value(member.value), end);
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
               gbnf_literal("invoke name=\"" + tool.name + "\">\n") + parameters +
               " \"</\" %dsml \"invoke>\"";
  }
  const std::string invoke = writer.add_rule(invokes);
  const std::string opening = opened ? "" : "\"\\n\\n<\" %dsml \"tool_calls>\\n\" ";
  return writer.grammar(opening + invoke + (single ? "" : " (\"\\n\" " + invoke + ")*") +
                        " \"\\n</\" %dsml \"tool_calls>\"") +
         "any ::= .*\n";
}

}  // namespace fathom::server

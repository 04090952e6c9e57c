#include "text/dsml.h"

#include "base/error.h"
#include "text/protocol_strings.h"

namespace fathom {

namespace {

constexpr int kApiJsonDepth = 128;

JsonDialect dialect_of(DsmlStyle style) {
  return style == DsmlStyle::official ? JsonDialect::python : JsonDialect::serde;
}

/// The parameters of a call.
JsonValue::Object parameters(const std::string& arguments, DsmlStyle style) {
  try {
    const int depth = style == DsmlStyle::official ? kMaxJsonDepth : kApiJsonDepth;
    const JsonValue value = parse_json_value(arguments, dialect_of(style), depth);
    if (const JsonValue::Object* object = value.as_object()) return *object;
  } catch (const Error&) {
    // No JSON: the text itself is what the model sees.
  }
  return {{"arguments", arguments}};
}

void append_call(const ToolCall& call, DsmlStyle style, Prompt& out) {
  Prompt lines;
  const JsonValue::Object members = parameters(call.arguments, style);
  for (const JsonMember& member : members) {
    if (&member != members.data()) lines.text("\n");
    const std::string* text = member.value.as_string();
    append_template(protocol::kParameter,
                    {{"key", Prompt().text(member.key)},
                     {"is_str", Prompt().text(text ? "true" : "false")},
                     {"value", Prompt().text(text ? *text : dump_json(member.value, dialect_of(style)))}},
                    lines);
  }
  const bool short_form = style == DsmlStyle::api && members.empty();
  append_template(short_form ? protocol::kApiInvokeWithoutParameters : protocol::kToolCall,
                  {{"name", Prompt().text(call.name)}, {"arguments", lines}}, out);
}

}  // namespace

void append_tool_calls(const std::vector<ToolCall>& calls, DsmlStyle style, Prompt& out) {
  Prompt invocations;
  for (const ToolCall& call : calls) {
    if (&call != calls.data()) invocations.text("\n");
    append_call(call, style, invocations);
  }
  append_template(protocol::kToolCalls,
                  {{"tc_block_name", Prompt().text(protocol::kToolCallsName)}, {"tool_calls", invocations}},
                  out);
}

void append_tools_section(const std::vector<JsonValue>& functions, JsonDialect dialect, Prompt& out) {
  Prompt schemas;
  for (const JsonValue& function : functions) {
    if (&function != functions.data()) schemas.text("\n");
    schemas.text(dump_json(function, dialect));
  }
  append_template(protocol::kToolsSection, {{"tool_schemas", schemas}}, out);
}

}  // namespace fathom

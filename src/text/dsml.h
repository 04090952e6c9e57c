#pragma once
/// DSML, the markup of tool calls: writing it, and telling its tags apart.
/// Source: architecture.md section 11; reading whole completions is text/completion_parser.h.

#include <string>
#include <string_view>
#include <vector>

#include "text/prompt.h"
#include "text/python_json.h"

namespace fathom {

/// One call. `arguments` is the text of a JSON object, as the model or a client wrote it: not checked.
struct ToolCall {
  std::string id;  ///< empty: none
  std::string name;
  std::string arguments;
  bool operator==(const ToolCall&) const = default;
};

/// Whose rules hold in writing: the official encoder's, or those of the API converter, which spells numbers
/// otherwise, takes nesting beyond 128 as text and writes a call without parameters without an empty line.
enum class DsmlStyle { official, api };

/// Appends `<｜DSML｜tool_calls>` to `</｜DSML｜tool_calls>`. Arguments that are no JSON object become one
/// string parameter `arguments`.
void append_tool_calls(const std::vector<ToolCall>& calls, DsmlStyle style, Prompt& out);

/// Appends the section that lists the tools, a line of JSON for each.
void append_tools_section(const std::vector<JsonValue>& functions, JsonDialect dialect, Prompt& out);

}  // namespace fathom

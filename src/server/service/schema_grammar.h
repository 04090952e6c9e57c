#pragma once
/// JSON schemas, regular expressions and JSON itself as GBNF. Source: api.md section 5.

#include <string>
#include <vector>

#include "text/python_json.h"

namespace fathom::server {

/// Any JSON object.
std::string json_object_grammar();
/// What a schema allows. Throws ApiError: invalid_schema with a pointer, or constraint_too_complex.
/// @param strict a keyword that cannot be enforced is an error; else its pointer is added to `unenforced`
std::string schema_grammar(const JsonValue& schema, const std::string& path, bool strict,
                           std::vector<std::string>& unenforced);

struct CallableTool {
  std::string name;
  const JsonValue* parameters;  ///< an object, maybe empty
};
/// The rest of a block of calls after its first line, at least one call: known names, parameters in the order
/// of the schema, those that are required, values by their types.
/// @param opened false: with that first line, and the empty line before it
std::string tool_calls_grammar(const std::vector<CallableTool>& tools, bool single, bool opened = true);
/// The inside of a JSON string whose value a pattern finds something in, over the rule `char`. Throws as
/// below.
std::string pattern_expression(const std::string& pattern, const std::string& path);
/// The whole text matches. Throws ApiError invalid_regex.
std::string regex_grammar(const std::string& regex, const std::string& path);

}  // namespace fathom::server

#pragma once
/// The formats of strings in JSON schemas, as regular expressions. Source: api.md section 5, "Formats".

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/python_json.h"

namespace fathom::server {

/// Nothing: a format that is not enforced.
std::optional<std::string> format_pattern(std::string_view name);

/// What a schema demands of strings, as an expression over the rules `string` and `char`. Throws ApiError
/// constraint_too_complex.
/// @param length an expression for the inside of so many characters; empty: any
/// @param lost keywords that are not held are added
std::string strings_of_schema(const JsonValue& schema, const std::string& path, const std::string& length,
                              std::vector<std::string>& lost);

}  // namespace fathom::server

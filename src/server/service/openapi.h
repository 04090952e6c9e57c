#pragma once
/// The OpenAPI 3.1 document of the server: made from the table of routes, so that a route without a
/// description does not compile, and from the schemas beside it. Source: api.md section 2.6.

#include <string>
#include <string_view>
#include <vector>

#include "text/python_json.h"

namespace fathom::server {

/// @param models names and aliases that the server knows, for the schema of `model`
JsonValue openapi_document(const std::string& version, const std::vector<std::string>& models);

// Components by their names, as JSON objects.
std::string_view shared_schemas();
std::string_view request_schemas();
std::string_view answer_schemas();

}  // namespace fathom::server

#pragma once
/// One schema for what several demand together. Source: api.md section 5 (allOf).

#include <string>
#include <vector>

#include "text/python_json.h"

namespace fathom::server {

/// A schema that allows what both allow. Keywords that cannot be joined are left as the first has them, and
/// named in `lost`.
JsonValue merged_schemas(const JsonValue& a, const JsonValue& b, std::vector<std::string>& lost);

}  // namespace fathom::server

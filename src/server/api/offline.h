#pragma once
/// A request or a stream looked at without a server or a model: `fathom render --requests`, `fathom parse
/// --streams`. Lines as in golden/api (requests.jsonl, streams.jsonl).

#include <string>
#include <string_view>

namespace fathom::server {

/// {"api", "request" or "raw"} -> {"prompt", "special"} or {"error"}. Prompts are of generation 2026-08.
std::string render_request_line(std::string_view line);

/// {"api", "request", "deltas", "ids", "usage", "finish"} -> {"events", "final"} or {"error"}. A piece counts
/// as one token, or as many as `ids` has.
std::string parse_stream_line(std::string_view line);

}  // namespace fathom::server

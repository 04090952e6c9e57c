#pragma once
/// The head of a request, held to RFC 9112 and 9110 to the letter: what two readers could understand
/// differently is refused. Source: api.md section 8.2, 77 to 98.

#include <optional>
#include <string>
#include <string_view>

#include "server/http/http.h"

namespace fathom::server {

struct HttpFault {
  int status = 400;
  std::string code;
  std::string message;
};

/// How far a head has come.
struct HeadProgress {
  std::optional<HttpFault> fault;
  size_t length = 0;  ///< of the whole head with its empty line; 0: more bytes are needed
};
/// Looks at the bytes so far.
HeadProgress scan_head(std::string_view bytes, const HttpLimits& limits);

struct ParsedHead {
  HttpRequest request;
  bool chunked = false;
  size_t content_length = 0;
  bool expects_continue = false;
};
/// Reads a whole head, as scan_head() has delimited it.
std::optional<HttpFault> parse_head(std::string_view head, const HttpLimits& limits, ParsedHead& out);

}  // namespace fathom::server

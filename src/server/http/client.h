#pragma once
/// The other side of HTTP: one request to a server, over a connection of its own, plain or under TLS.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "server/http/http.h"

namespace fathom::server {

/// Where a server is.
struct ServerUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, IPv6 without its brackets
  std::string port;
  std::string path;  ///< without a slash at its end; often empty
  /// "https://host:port" without the port that goes without saying.
  std::string origin() const;
};
/// Reads "http://host:port/path" or "https://..."; without a port 80 and 443. Throws Error(bad_input).
ServerUrl parse_server_url(const std::string& text);

struct ClientOptions {
  std::string ca_file;  ///< PEM: certificates to trust beside the system's; empty: none
  std::chrono::milliseconds connect_time{15'000};
  std::chrono::milliseconds silence{600'000};  ///< the longest wait for the next byte
  /// Asked all the time: true ends the request.
  std::function<bool()> stopped = [] { return false; };
};

struct ClientReply {
  int status = 0;
  HeaderFields fields;  ///< names in lower case
  bool stopped = false;
  const std::string* find(std::string_view name) const;
};

/// Sends a request and reads its reply. Throws Error(io), beginning with the origin: no connection, a
/// certificate that is not trusted, something that is no HTTP, a body that breaks off, silence.
/// @param target path and query
/// @param piece takes the body as it comes, of a reply with any status; false ends the request
ClientReply request(const ServerUrl& url, const ClientOptions& options, const std::string& method,
                    const std::string& target, const HeaderFields& fields, const std::string& body,
                    const std::function<bool(const ClientReply&, std::string_view)>& piece);

}  // namespace fathom::server

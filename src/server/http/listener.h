#pragma once
/// The HTTP server: accepts connections on one address, reads requests, writes replies. HTTP/1.1 and 1.0.

#include <cstdint>
#include <memory>
#include <string>

#include "server/http/http.h"

namespace fathom::server {

struct ListenerOptions {
  std::string host = "127.0.0.1";  ///< a numeric address, or localhost
  uint16_t port = 8080;            ///< 0: a free one
  int threads = 2;
  std::string name = "fathom";    ///< the Server header
  std::string tls_cert, tls_key;  ///< PEM files: HTTPS; both empty: HTTP
  HttpLimits limits;
};

class Listener {
 public:
  /// Binds and starts to listen. Throws Error(io) naming the address, or what tls_context() throws.
  Listener(const ListenerOptions& options, HttpHandler& handler);
  ~Listener();

  uint16_t port() const;
  /// Answers from now on.
  void start();
  /// No new connections, and none is kept after the reply that it is at.
  void drain();
  /// Connections that are open.
  int64_t connections() const;
  /// Closes everything and joins the threads.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether an address is one of this machine's own loopback: 127.0.0.0/8, ::1, localhost.
bool is_loopback(const std::string& host);

}  // namespace fathom::server

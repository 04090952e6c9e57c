#pragma once
/// One connection: requests in order, each answered before the next is read. Only for server/http/*.cc.

#include <atomic>
#include <boost/asio/ip/tcp.hpp>       // NOLINT: this header is for the two files that know sockets
#include <boost/asio/ssl/context.hpp>  // NOLINT: as above
#include <mutex>
#include <set>

#include "server/http/http.h"

namespace fathom::server {

class Connection;

/// What all connections of a listener have in common.
struct ConnectionShared {
  HttpLimits limits;
  HttpHandler& handler;
  std::string server_name;
  boost::asio::ssl::context* tls = nullptr;  ///< null: plain HTTP
  std::atomic<int64_t> open = 0;
  std::atomic<bool> draining = false;
  std::mutex mutex;
  std::set<Connection*> connections;  // guarded by mutex

  ConnectionShared(const HttpLimits& l, HttpHandler& h, std::string name)
      : limits(l), handler(h), server_name(std::move(name)) {}
};

void serve_connection(boost::asio::ip::tcp::socket socket, ConnectionShared& shared);
/// Closes those that wait for a request.
void close_idle(ConnectionShared& shared);

}  // namespace fathom::server

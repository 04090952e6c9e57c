#pragma once
/// The bytes of one connection, plain or under TLS. Only for server/http/*.cc; all on the connection's
/// strand.

// clang-format off: Boost 1.74's awaitable.hpp wants it to be there
#include <utility>
// clang-format on

#include <array>
#include <boost/asio/awaitable.hpp>  // NOLINT: this header is for the files that know sockets
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace fathom::server {

class Wire {
 public:
  using error_code = boost::system::error_code;
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  /// @param tls null: plain
  Wire(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls);

  auto get_executor() { return stream_.get_executor(); }
  /// Nothing to do if it is plain.
  awaitable<bool> shake_hands(std::chrono::milliseconds limit);
  /// Without a limit of its own: cancel() ends it.
  awaitable<size_t> read_some(boost::asio::mutable_buffer bytes, error_code& error);
  awaitable<bool> write(std::string bytes, std::chrono::milliseconds limit);
  /// Ends what is read and watched.
  void cancel();
  /// The end of what is sent; what the peer still sends is read for a moment, or it would not see an error
  /// reply.
  awaitable<void> end();
  void close();

  /// Has the peer gone? `told` is called once: when it goes, when it sends something (`ahead` is what has
  /// been taken off the wire), or after cancel(). Nothing else may be read meanwhile.
  using Told = std::function<void(bool gone, std::string_view ahead)>;
  void watch(Told told);

 private:
  boost::beast::tcp_stream stream_;
  std::unique_ptr<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls_;  // over stream_; null: plain
  std::array<char, 4096> ahead_{};
};

}  // namespace fathom::server

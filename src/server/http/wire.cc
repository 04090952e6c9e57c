#include "server/http/wire.h"

#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>

namespace fathom::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

// Arguments of awaited calls are named: g++ 12 destroys some temporaries of such expressions twice.
Wire::Wire(tcp::socket socket, asio::ssl::context* tls) : stream_(std::move(socket)) {
  if (tls) tls_ = std::make_unique<asio::ssl::stream<boost::beast::tcp_stream&>>(stream_, *tls);
}

asio::awaitable<bool> Wire::shake_hands(std::chrono::milliseconds limit) {
  if (!tls_) co_return true;
  error_code error;
  stream_.expires_after(limit);
  co_await tls_->async_handshake(asio::ssl::stream_base::server,
                                 asio::redirect_error(asio::use_awaitable, error));
  stream_.expires_never();
  co_return !error;
}

asio::awaitable<size_t> Wire::read_some(asio::mutable_buffer bytes, error_code& error) {
  stream_.expires_never();
  if (tls_) co_return co_await tls_->async_read_some(bytes, asio::redirect_error(asio::use_awaitable, error));
  co_return co_await stream_.async_read_some(bytes, asio::redirect_error(asio::use_awaitable, error));
}

asio::awaitable<bool> Wire::write(std::string bytes, std::chrono::milliseconds limit) {
  error_code error;
  stream_.expires_after(limit);
  if (tls_) {
    co_await asio::async_write(*tls_, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
  } else {
    co_await asio::async_write(stream_, asio::buffer(bytes),
                               asio::redirect_error(asio::use_awaitable, error));
  }
  stream_.expires_never();
  co_return !error;
}

void Wire::cancel() {
  error_code ignored;
  static_cast<void>(stream_.socket().cancel(ignored));
}

asio::awaitable<void> Wire::end() {
  error_code error;
  const auto until = Clock::now() + std::chrono::seconds(1);
  if (tls_) {  // so that the peer knows this end from a cut
    stream_.expires_at(until);
    co_await tls_->async_shutdown(asio::redirect_error(asio::use_awaitable, error));
    error = {};
  }
  static_cast<void>(stream_.socket().shutdown(tcp::socket::shutdown_send, error));
  for (size_t total = 0; total < (size_t{1} << 20) && !error && Clock::now() < until;) {
    stream_.expires_at(until);
    total += co_await stream_.async_read_some(asio::buffer(ahead_),
                                              asio::redirect_error(asio::use_awaitable, error));
  }
}

void Wire::close() {
  error_code ignored;
  static_cast<void>(stream_.socket().shutdown(tcp::socket::shutdown_both, ignored));
  static_cast<void>(stream_.socket().close(ignored));
}

void Wire::watch(Told told) {
  if (tls_) {  // the end is a record among others: only reading tells it
    stream_.expires_never();
    tls_->async_read_some(
        asio::buffer(ahead_), [this, told = std::move(told)](error_code error, size_t count) {
          told(error && error != asio::error::operation_aborted, std::string_view(ahead_.data(), count));
        });
    return;
  }
  stream_.socket().async_wait(tcp::socket::wait_read, [this, told = std::move(told)](error_code error) {
    if (error) return told(false, {});
    char byte = 0;
    const ssize_t got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    told(got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK), {});
  });
}

}  // namespace fathom::server

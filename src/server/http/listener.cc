#include "server/http/listener.h"

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "server/http/connection.h"
#include "server/http/tls.h"

namespace fathom::server {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Listener::State {
  State(const ListenerOptions& o, HttpHandler& h)
      : options(o), shared{options.limits, h, options.name}, context(o.threads), acceptor(context) {}

  ListenerOptions options;
  std::unique_ptr<asio::ssl::context> tls;
  ConnectionShared shared;
  asio::io_context context;
  tcp::acceptor acceptor;
  std::vector<std::thread> threads;

  asio::awaitable<void> accept();
};

namespace {

tcp::endpoint endpoint_of(const ListenerOptions& options) {
  boost::system::error_code error;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(host, error);
  if (error) bad_input("host: expected a numeric address or localhost, found '{}'", printable(options.host));
  return {address, options.port};
}

}  // namespace

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

asio::awaitable<void> Listener::State::accept() {
  while (acceptor.is_open()) {
    boost::system::error_code error;
    tcp::socket socket(asio::make_strand(context));
    co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error) {  // out of descriptors, most likely: wait for some to be given back
      asio::steady_timer pause(context, std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    serve_connection(std::move(socket), shared);
  }
}

Listener::Listener(const ListenerOptions& options, HttpHandler& handler)
    : state_(std::make_unique<State>(options, handler)) {
  if (!options.tls_cert.empty() || !options.tls_key.empty()) {
    state_->tls = tls_context(options.tls_cert, options.tls_key);
    state_->shared.tls = state_->tls.get();
  }
  const tcp::endpoint endpoint = endpoint_of(options);
  try {
    state_->acceptor.open(endpoint.protocol());
    state_->acceptor.set_option(tcp::acceptor::reuse_address(true));
    state_->acceptor.bind(endpoint);
    state_->acceptor.listen(4096);
  } catch (const boost::system::system_error& error) {
    fail(ErrorCode::io, "{} port {}: expected to listen, found: {}", printable(options.host), options.port,
         error.code().message());
  }
}

Listener::~Listener() { stop(); }

uint16_t Listener::port() const { return state_->acceptor.local_endpoint().port(); }

void Listener::start() {
  asio::co_spawn(state_->context, state_->accept(), asio::detached);
  for (int i = 0; i < state_->options.threads; ++i) {
    state_->threads.emplace_back([this] { state_->context.run(); });
  }
}

void Listener::drain() {
  state_->shared.draining = true;
  asio::post(state_->context, [this] {
    boost::system::error_code ignored;
    static_cast<void>(state_->acceptor.close(ignored));
  });
  close_idle(state_->shared);
}

int64_t Listener::connections() const { return state_->shared.open; }

void Listener::stop() {
  state_->context.stop();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

}  // namespace fathom::server

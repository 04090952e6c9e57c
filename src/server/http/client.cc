#include "server/http/client.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <limits>
#include <optional>

#include "base/error.h"

namespace fathom::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTurn = std::chrono::milliseconds(20);  // between looks at what may stop a request

class Exchange {
 public:
  Exchange(const ServerUrl& url, const ClientOptions& options) : url_(url), options_(options) {}

  // False: stopped.
  bool connect() {
    tcp::resolver resolver(context_);
    tcp::resolver::results_type found;
    // Asio resolves on a thread of its own, so that this one still sees what stops it.
    error_code error = run(
        options_.connect_time,
        [&](auto done) {
          resolver.async_resolve(url_.host, url_.port,
                                 [&found, done](error_code e, tcp::resolver::results_type r) {
                                   found = std::move(r);
                                   done(e);
                                 });
        },
        /*cancels=*/false);
    if (stopped_) return false;
    if (error) broken("expected a server of that name", error);
    error = run(options_.connect_time, [&](auto done) {
      stream_.async_connect(found, [done](error_code e, const tcp::endpoint&) { done(e); });
    });
    if (stopped_) return false;
    if (error) broken("expected a server", error);
    static_cast<void>(stream_.socket().set_option(tcp::no_delay(true), error));
    return !url_.tls || secure();
  }

  bool send(const http::request<http::string_body>& request) {
    const error_code error = run(options_.silence, [&](auto done) {
      const auto handler = [done](error_code e, size_t) { done(e); };
      tls_ ? http::async_write(*tls_, request, handler) : http::async_write(stream_, request, handler);
    });
    if (stopped_) return false;
    if (error) broken("expected to send a request", error);
    return true;
  }

  void receive(ClientReply& reply, const std::function<bool(const ClientReply&, std::string_view)>& piece) {
    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(std::numeric_limits<uint64_t>::max());  // "none" of Boost 1.74 means 0
    parser.header_limit(256u << 10);
    error_code error = run(options_.silence, [&](auto done) {
      const auto handler = [done](error_code e, size_t) { done(e); };
      tls_ ? http::async_read_header(*tls_, buffer, parser, handler)
           : http::async_read_header(stream_, buffer, parser, handler);
    });
    if (stopped_) return;
    if (error == http::error::end_of_stream) error = asio::error::eof;
    if (error) broken("expected an answer in HTTP", error);
    reply.status = static_cast<int>(parser.get().result_int());
    for (const auto& field : parser.get()) {
      std::string name(field.name_string());
      for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
      reply.fields.emplace_back(std::move(name), std::string(field.value()));
    }
    std::array<char, 16384> bytes{};
    while (!parser.is_done()) {
      parser.get().body().data = bytes.data();
      parser.get().body().size = bytes.size();
      error = run(options_.silence, [&](auto done) {
        const auto handler = [done](error_code e, size_t) { done(e); };
        tls_ ? http::async_read_some(*tls_, buffer, parser, handler)
             : http::async_read_some(stream_, buffer, parser, handler);
      });
      if (stopped_) return;
      const size_t count = bytes.size() - parser.get().body().size;
      if (count > 0 && !piece(reply, {bytes.data(), count})) {
        reply.stopped = true;
        return;
      }
      if (error == http::error::need_buffer) error = {};
      if (error) broken("expected the rest of the answer", error);
    }
  }

  bool stopped() const { return stopped_; }

 private:
  [[noreturn]] void broken(const char* expected, const error_code& error) const {
    const std::string found = timed_out_                              ? "none in time"
                              : error == http::error::partial_message ? "that it broke off"
                                                                      : error.message();
    fail(ErrorCode::io, "{}: {}, found: {}", printable(url_.origin(), 200), expected, printable(found, 200));
  }

  // Starts something and waits for its end, a stop, or the end of `limit`; what was begun then ends with an
  // error, if `cancels`, or is left alone.
  template <class Start>
  error_code run(std::chrono::milliseconds limit, const Start& start, bool cancels = true) {
    const auto until = Clock::now() + limit;
    std::optional<error_code> result;
    start([&result](error_code e) { result = e; });
    context_.restart();
    while (!result) {
      context_.run_one_for(kTurn);
      if (result || stopped_ || timed_out_) continue;
      stopped_ = options_.stopped();
      timed_out_ = Clock::now() > until;
      if (!stopped_ && !timed_out_) continue;
      if (!cancels) return asio::error::timed_out;
      stream_.close();
    }
    return *result;
  }

  bool secure() {
    tls_context_.emplace(asio::ssl::context::tls_client);
    error_code error;
    static_cast<void>(tls_context_->set_default_verify_paths(error));
    if (!options_.ca_file.empty()) {
      static_cast<void>(tls_context_->load_verify_file(options_.ca_file, error));
      if (error)
        bad_input("{}: expected certificates in PEM, found: {}", printable(options_.ca_file),
                  printable(error.message(), 200));
    }
    tls_.emplace(stream_, *tls_context_);
    static_cast<void>(tls_->set_verify_mode(asio::ssl::verify_peer, error));
    static_cast<void>(tls_->set_verify_callback(asio::ssl::host_name_verification(url_.host), error));
    static_cast<void>(asio::ip::make_address(url_.host, error));
    const bool named = static_cast<bool>(error);  // an address is not asked for
    if (named && SSL_set_tlsext_host_name(tls_->native_handle(), url_.host.c_str()) != 1)
      fail(ErrorCode::internal, "TLS: expected to name the host");
    error = run(options_.connect_time, [&](auto done) {
      tls_->async_handshake(asio::ssl::stream_base::client, [done](error_code e) { done(e); });
    });
    if (stopped_) return false;
    if (error) broken("expected a trusted certificate and TLS", error);
    return true;
  }

  const ServerUrl& url_;
  const ClientOptions& options_;
  asio::io_context context_{1};
  beast::tcp_stream stream_{context_};
  std::optional<asio::ssl::context> tls_context_;
  std::optional<asio::ssl::stream<beast::tcp_stream&>> tls_;
  bool stopped_ = false, timed_out_ = false;
};

}  // namespace

std::string ServerUrl::origin() const {
  const bool usual = port == (tls ? "443" : "80");
  const bool six = host.find(':') != std::string::npos;
  return (tls ? "https://" : "http://") + (six ? "[" + host + "]" : host) + (usual ? "" : ":" + port);
}

ServerUrl parse_server_url(const std::string& text) {
  const auto wrong = [&]() {
    bad_input("url: expected http://HOST:PORT or https://HOST:PORT, found '{}'", printable(text, 200));
  };
  ServerUrl url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    wrong();
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  std::string_view place = rest.substr(0, slash);
  size_t colon = place.rfind(':');
  if (place.starts_with('[')) {
    const size_t end = place.find(']');
    if (end == std::string_view::npos) wrong();
    url.host = place.substr(1, end - 1);
    colon = end + 1 < place.size() ? end + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && place[colon] != ':') wrong();
  } else {
    url.host = place.substr(0, std::min(colon, place.size()));
  }
  url.port = colon == std::string_view::npos ? url.tls ? "443" : "80" : std::string(place.substr(colon + 1));
  const bool digits = !url.port.empty() && url.port.size() <= 5 &&
                      url.port.find_first_not_of("0123456789") == std::string::npos &&
                      std::stoi(url.port) > 0 && std::stoi(url.port) < 65536;
  const auto odd = [](unsigned char c) { return c <= ' ' || c >= 0x7F || c == '@' || c == '?' || c == '#'; };
  if (url.host.empty() || !digits || std::any_of(rest.begin(), rest.end(), odd)) wrong();
  return url;
}

const std::string* ClientReply::find(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

ClientReply request(const ServerUrl& url, const ClientOptions& options, const std::string& method,
                    const std::string& target, const HeaderFields& fields, const std::string& body,
                    const std::function<bool(const ClientReply&, std::string_view)>& piece) {
  ClientReply reply;
  Exchange exchange(url, options);
  http::request<http::string_body> sent;
  sent.method_string(method);
  sent.target(url.path + target);
  sent.version(11);
  sent.set(http::field::host, url.origin().substr(url.tls ? 8 : 7));
  sent.set(http::field::connection, "close");
  sent.set(http::field::user_agent, "fathom");
  for (const auto& [name, value] : fields) sent.set(name, value);
  sent.body() = body;
  sent.prepare_payload();
  if (exchange.connect() && exchange.send(sent)) exchange.receive(reply, piece);
  reply.stopped = reply.stopped || exchange.stopped();
  return reply;
}

}  // namespace fathom::server

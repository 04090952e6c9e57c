#include "server/http/connection.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "base/error.h"
#include "server/http/head.h"
#include "server/http/wire.h"

namespace fathom::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

std::string chunk_of(const std::string& data) { return fmt::format("{:x}\r\n{}\r\n", data.size(), data); }

}  // namespace

const char* reason_phrase(int status) {
  const auto known = http::int_to_status(static_cast<unsigned>(status));
  static thread_local std::string phrase;
  phrase = std::string(http::obsolete_reason(known));
  return phrase.c_str();
}

// Arguments of awaited calls are named: g++ 12 destroys some temporaries of such expressions twice.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, ConnectionShared& shared)
      : wire_(std::move(socket), shared.tls), timer_(wire_.get_executor()), shared_(shared) {
    const std::lock_guard lock(shared_.mutex);
    shared_.connections.insert(this);
    ++shared_.open;
  }
  ~Connection() {
    const std::lock_guard lock(shared_.mutex);
    shared_.connections.erase(this);
    --shared_.open;
  }

  asio::awaitable<void> run() {
    const auto self = shared_from_this();
    if (!co_await wire_.shake_hands(shared_.limits.head_time)) co_return wire_.close();
    if (shared_.open > shared_.limits.connections) {
      HttpReply reply = shared_.handler.fault(503, "service_unavailable", "too many connections");
      co_await send_whole(reply, false, false);
      co_return wire_.close();
    }
    for (int64_t i = 0; i < shared_.limits.requests_per_connection; ++i) {
      if (!co_await serve_one(i + 1 == shared_.limits.requests_per_connection)) break;
    }
    co_await wire_.end();
    wire_.close();
  }

  /// On its own thread: ends if it waits for a request.
  void close_if_idle() {
    asio::post(wire_.get_executor(), [self = shared_from_this()] {
      if (self->idle_) self->wire_.close();
    });
  }

 private:
  asio::awaitable<bool> read_more(std::chrono::milliseconds limit, error_code& error) {
    // By a timer of our own: the stream's would close the socket, and 408 could not be said.
    char bytes[16384];
    const int64_t turn = ++read_turn_;
    timer_.expires_after(limit);
    timer_.async_wait([self = shared_from_this(), turn](error_code cancelled) {
      if (cancelled || self->read_turn_ != turn) return;
      self->timed_out_ = true;
      self->wire_.cancel();
    });
    timed_out_ = false;
    const size_t count = co_await wire_.read_some(asio::buffer(bytes), error);
    ++read_turn_;
    timer_.cancel();
    if (error && timed_out_) error = beast::error::timeout;
    buffer_.append(bytes, count);
    co_return !error && count > 0;
  }

  // A whole head at the start of the buffer. False: the connection is over (an answer has been sent if one is
  // due).
  asio::awaitable<bool> read_head(size_t& length) {
    const HttpLimits& limits = shared_.limits;
    std::optional<Clock::time_point> began;
    while (true) {
      if (!buffer_.empty() && !began) began = Clock::now();
      const HeadProgress progress = scan_head(buffer_, limits);
      if (progress.fault) {
        co_await send_fault(*progress.fault);
        co_return false;
      }
      length = progress.length;
      if (length > 0) co_return true;
      auto wait = limits.idle_time;
      if (began) {
        wait =
            std::chrono::duration_cast<std::chrono::milliseconds>(*began + limits.head_time - Clock::now());
        if (wait.count() <= 0) wait = std::chrono::milliseconds(1);
      } else if (shared_.draining) {
        co_return false;
      }
      error_code error;
      idle_ = !began;
      const bool more = co_await read_more(wait, error);
      idle_ = false;
      if (more) continue;
      if (error == beast::error::timeout && began) {
        const HttpFault fault{408, "request_timeout", "HTTP: the head took too long"};
        co_await send_fault(fault);
      }
      co_return false;
    }
  }

  // The body after a head that has been accepted, by Beast's parser.
  asio::awaitable<bool> read_body(ParsedHead& head, size_t head_length) {
    const HttpLimits& limits = shared_.limits;
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<uint32_t>(limits.head + limits.request_line + 16));
    parser.body_limit(limits.body);
    parser.eager(true);
    const auto began = Clock::now();
    size_t wire = 0, stuck = 0;
    error_code error;
    if (head.expects_continue && buffer_.size() == head_length && (head.chunked || head.content_length > 0)) {
      std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      if (!co_await write(std::move(go_on))) co_return false;
    }
    while (!parser.is_done()) {
      const size_t used = parser.put(asio::buffer(buffer_), error);
      buffer_.erase(0, used);
      wire += used;
      if (parser.is_done()) break;
      if (error && error != http::error::need_more) {
        const bool large = error == http::error::body_limit || error == http::error::buffer_overflow;
        HttpFault fault{413, "request_too_large", "HTTP: the body is too large"};
        if (!large) fault = {400, "", "HTTP: the body is malformed: " + error.message()};
        co_await send_fault(fault);
        co_return false;
      }
      error = {};
      if (used > 0 && !buffer_.empty()) continue;
      stuck = used > 0 ? 0 : buffer_.size();
      if (stuck > (size_t{16} << 10)) {  // the size of a chunk and its extensions
        HttpFault fault{400, "", "HTTP: the body is malformed: a chunk's first line is too long"};
        co_await send_fault(fault);
        co_return false;
      }
      if (wire > limits.body * limits.wire_factor) {
        HttpFault fault{413, "request_too_large", "HTTP: the body is too large"};
        co_await send_fault(fault);
        co_return false;
      }
      const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
      const auto allowed = limits.body_grace + std::chrono::milliseconds(wire * 1000 / limits.body_rate);
      const bool more = spent < allowed && co_await read_more(allowed - spent, error);
      if (more) continue;
      if (spent >= allowed || error == beast::error::timeout) {
        const HttpFault fault{408, "request_timeout", "HTTP: the body took too long"};
        co_await send_fault(fault);
      }
      co_return false;
    }
    head.request.body = std::move(parser.get().body());
    co_return true;
  }

  asio::awaitable<bool> serve_one(bool last) {
    size_t length = 0;
    if (!co_await read_head(length)) co_return false;
    ParsedHead head;
    if (const auto fault = parse_head(std::string_view(buffer_).substr(0, length), shared_.limits, head)) {
      co_await send_fault(*fault);
      co_return false;
    }
    if (head.chunked || head.content_length > 0) {
      if (buffer_.starts_with("\r\n")) {
        buffer_.erase(0, 2);
        length -= 2;
      }
      if (!co_await read_body(head, length)) co_return false;
    } else {
      buffer_.erase(0, length);
    }
    const bool head_only = head.request.method == "HEAD";
    const bool chunks = head.request.version == 11;
    bool keep = head.request.keep_alive && !last && !shared_.draining;
    HttpReply reply = shared_.handler.handle(std::move(head.request));
    keep = keep && !reply.close;
    if (!reply.source) {
      co_return co_await send_whole(reply, keep, head_only) && keep;
    }
    co_return co_await send_source(std::move(reply), keep, chunks) && keep;
  }

  std::string head_of(const HttpReply& reply, bool keep) const {
    std::string head = fmt::format("HTTP/1.1 {} {}\r\ndate: {}\r\nserver: {}\r\n", reply.status,
                                   reason_phrase(reply.status), http_date(), shared_.server_name);
    if (!reply.content_type.empty()) head += fmt::format("content-type: {}\r\n", reply.content_type);
    for (const auto& [name, value] : reply.fields) head += fmt::format("{}: {}\r\n", name, value);
    head += keep ? "connection: keep-alive\r\n" : "connection: close\r\n";
    return head;
  }

  asio::awaitable<bool> write(std::string bytes) {
    co_return co_await wire_.write(std::move(bytes), shared_.limits.write_time);
  }

  asio::awaitable<bool> send_whole(const HttpReply& reply, bool keep, bool head_only) {
    std::string bytes = head_of(reply, keep);
    const bool no_body = reply.status == 204 || reply.status == 304;
    if (!no_body) bytes += fmt::format("content-length: {}\r\n", reply.body.size());
    bytes += "\r\n";
    if (!head_only && !no_body) bytes += reply.body;
    co_return co_await write(std::move(bytes));
  }

  asio::awaitable<void> send_fault(const HttpFault& fault) {
    const HttpReply reply = shared_.handler.fault(fault.status, fault.code, fault.message);
    co_await send_whole(reply, false, false);
  }

  // While a reply is being made. (A request that the peer sends ahead ends the watch.)
  void watch_peer() {
    watching_ = true;
    wire_.watch([self = shared_from_this()](bool gone, std::string_view ahead) {
      self->watching_ = false;
      self->buffer_ += ahead;
      if (gone) self->peer_gone_ = true;
      if (gone || self->watch_ends_) self->timer_.cancel();
    });
  }

  // Nothing is read when this is over.
  asio::awaitable<void> end_watch() {
    wire_.cancel();
    watch_ends_ = true;
    while (watching_) {
      error_code ignored;
      timer_.expires_after(std::chrono::seconds(1));
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    watch_ends_ = false;
  }

  // Until the source has something, the peer goes, or `limit` is over (false).
  asio::awaitable<bool> wait_ready(std::chrono::milliseconds limit) {
    if (ready_ || peer_gone_) co_return true;
    timer_.expires_after(limit);
    error_code error;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    co_return ready_ || peer_gone_;
  }

  // Until then, or a further call of the source, or the peer goes.
  asio::awaitable<void> gather(Clock::time_point until) {
    if (peer_gone_ || Clock::now() >= until) co_return;
    timer_.expires_at(until);
    error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  asio::awaitable<bool> send_source(HttpReply reply, bool keep, bool chunks) {
    const std::shared_ptr<ReplySource> source = reply.source;
    const auto self = shared_from_this();
    ready_ = true;
    source->notify([weak = weak_from_this(), executor = wire_.get_executor()] {
      asio::post(executor, [weak] {
        if (const auto connection = weak.lock()) {
          connection->ready_ = true;
          connection->timer_.cancel();
        }
      });
    });
    watch_peer();
    bool good = false;
    if (source->streams()) {
      good = co_await send_stream(*source, reply, keep, chunks);
    } else {
      good = co_await send_later(*source, reply, keep, chunks);
    }
    if (!good || peer_gone_) source->abandon();
    source->notify(nullptr);
    co_await end_watch();
    const bool well = good && !peer_gone_ && (chunks || !source->streams());
    peer_gone_ = false;
    co_return well;
  }

  asio::awaitable<bool> send_stream(ReplySource& source, const HttpReply& reply, bool keep, bool chunks) {
    std::string pending =
        head_of(reply, keep && chunks) + (chunks ? "transfer-encoding: chunked\r\n\r\n" : "\r\n");
    while (true) {
      ready_ = false;
      ReplySource::Piece piece = source.take();
      if (!piece.data.empty()) pending += chunks ? chunk_of(piece.data) : piece.data;
      // One that failed has said so in its last event, which readers drop if the body is cut short.
      if (piece.end && !piece.cut && chunks) pending += "0\r\n\r\n";
      if (!pending.empty()) {
        std::string bytes = std::exchange(pending, {});
        if (!co_await write(std::move(bytes))) co_return false;
      }
      if (piece.end) co_return !piece.broken;
      const auto written = Clock::now();
      if (!co_await wait_ready(shared_.limits.silence)) {
        const std::string comment = source.keep_alive();
        pending = chunks ? chunk_of(comment) : comment;
      } else {
        co_await gather(written + shared_.limits.gather);
      }
      if (peer_gone_) co_return false;
    }
  }

  // A body that comes whole: if it takes long, its head goes out and blank lines follow.
  asio::awaitable<bool> send_later(ReplySource& source, HttpReply& reply, bool keep, bool chunks) {
    bool head_sent = false;
    while (true) {
      ready_ = false;
      const ReplySource::Piece piece = source.take();
      if (piece.end) break;
      if (!co_await wait_ready(shared_.limits.blank_line) && chunks) {
        std::string bytes = head_sent ? "" : head_of(reply, keep) + "transfer-encoding: chunked\r\n\r\n";
        head_sent = true;
        bytes += chunk_of("\n");
        if (!co_await write(std::move(bytes))) co_return false;
      }
      if (peer_gone_) co_return false;
    }
    HttpReply whole = source.whole();
    if (!head_sent) {
      whole.fields.insert(whole.fields.end(), reply.fields.begin(), reply.fields.end());
      co_return co_await send_whole(whole, keep, false);
    }
    if (whole.status != 200) co_return false;  // the status is out: the body is cut, which clients notice
    std::string last = chunk_of(whole.body) + "0\r\n\r\n";
    co_return co_await write(std::move(last));
  }

  Wire wire_;
  asio::steady_timer timer_;
  ConnectionShared& shared_;
  std::string buffer_;
  int64_t read_turn_ = 0;
  bool ready_ = false, peer_gone_ = false, idle_ = false, timed_out_ = false;
  bool watching_ = false, watch_ends_ = false;
};

void serve_connection(tcp::socket socket, ConnectionShared& shared) {
  error_code ignored;
  static_cast<void>(socket.set_option(tcp::no_delay(true), ignored));
  const auto executor = socket.get_executor();
  auto connection = std::make_shared<Connection>(std::move(socket), shared);
  asio::co_spawn(executor, [connection] { return connection->run(); }, [](const std::exception_ptr&) {});
}

void close_idle(ConnectionShared& shared) {
  std::vector<std::shared_ptr<Connection>> all;  // released without the lock, which the destructor takes
  {
    const std::lock_guard lock(shared.mutex);
    for (Connection* connection : shared.connections) {
      // One that is being destroyed waits for the lock and has no owner any more.
      if (auto self = connection->weak_from_this().lock()) all.push_back(std::move(self));
    }
  }
  for (const auto& connection : all) connection->close_if_idle();
}

}  // namespace fathom::server

#pragma once
/// Requests and replies as the rest of the server sees them; sockets and Beast stay in server/http/*.cc.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::server {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method, target;  ///< target: as sent
  std::string path, query;
  int version = 11;  ///< 10 or 11
  HeaderFields fields;
  std::string body;
  bool keep_alive = true;
  /// The value of a field by its name in any case; nullptr if absent.
  const std::string* find(std::string_view name) const;
};

class ReplySource;

struct HttpReply {
  int status = 200;
  HeaderFields fields;  ///< beside content-type, content-length, date, server
  std::string content_type = "application/json";
  std::string body;
  std::shared_ptr<ReplySource> source;  ///< where the body comes from, if it is not there yet
  bool close = false;                   ///< the connection ends with this reply
};

/// A body that comes while it is made. All but notify's callback are called on the connection's thread.
class ReplySource {
 public:
  virtual ~ReplySource() = default;
  /// Events in pieces (true), or one body at the end (false).
  virtual bool streams() const = 0;
  /// `ready` may be called from any thread, whenever take() may have something; again before that has been
  /// taken: it is not worth waiting for more.
  virtual void notify(std::function<void()> ready) = 0;
  struct Piece {
    std::string data;
    bool end = false;     ///< nothing follows
    bool broken = false;  ///< it ends here, but not well: the connection closes
    bool cut = false;     ///< broken, and the data do not say so: the body gets no end
  };
  /// What there is now; of a body that does not stream: nothing before its end.
  virtual Piece take() = 0;
  /// Of a body that does not stream, once it has ended: the reply with its status.
  virtual HttpReply whole() = 0;
  /// Sent after ten seconds of silence.
  virtual std::string keep_alive() = 0;
  /// The peer has gone, or the connection is given up: nobody will take any more.
  virtual void abandon() = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  /// Must not throw; called from several threads at once.
  virtual HttpReply handle(HttpRequest request) = 0;
  /// The reply to something that is no good HTTP. The connection closes after it.
  virtual HttpReply fault(int status, const std::string& code, const std::string& message) = 0;
};

struct HttpLimits {
  size_t request_line = 8 << 10, head = 32 << 10, fields = 100;
  size_t body = 64 << 20;
  size_t wire_factor = 2;  ///< bytes on the wire of a chunked body, times `body`
  std::chrono::milliseconds head_time{10'000}, idle_time{75'000}, write_time{120'000};
  std::chrono::milliseconds body_grace{10'000};  ///< after it, at least body_rate
  size_t body_rate = 1024;                       ///< bytes a second
  /// What a stream has to say within it after a write goes out together; its end at once.
  std::chrono::milliseconds gather{5};
  std::chrono::milliseconds silence{10'000};     ///< after which a stream's keep-alive is sent
  std::chrono::milliseconds blank_line{15'000};  ///< of a body that does not stream
  int64_t connections = 16'384, requests_per_connection = 10'000;
};

const char* reason_phrase(int status);
/// The time now as the Date header has it.
std::string http_date();

}  // namespace fathom::server

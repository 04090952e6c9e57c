#include "server/service/batch.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "server/api/api_error.h"
#include "server/api/fields.h"
#include "server/api/json_text.h"
#include "server/service/batch_files.h"

namespace fathom::server {
namespace {

using Object = JsonValue::Object;
using namespace std::chrono_literals;

constexpr std::array<std::string_view, 4> kUrls = {"/v1/chat/completions", "/v1/completions", "/v1/responses",
                                                   "/v1/messages"};
constexpr size_t kMostId = 256;  // code points

struct BatchRequest {
  std::string custom_id;
  std::string url, body;
};

std::string error_line(const std::string& custom_id, const std::string& message) {
  return compact_json(Object{{"custom_id", json_or_null(custom_id)},
                             {"response", JsonValue()},
                             {"error", Object{{"code", "invalid_line"}, {"message", message}}}}) +
         "\n";
}

size_t code_points(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// What is wrong with a line; its id, if that much can be read.
struct LineError {
  std::string custom_id, message;
};

const std::string& text_member(const JsonValue& line, const char* name, const std::string& custom_id) {
  const JsonValue* value = line.find(name);
  if (!value || !value->as_string())
    throw LineError{custom_id, fmt::format("{}: expected a string, found {}", name,
                                           value ? quoted(*value) : std::string("nothing"))};
  return *value->as_string();
}

BatchRequest read_line(const std::string& text) {
  JsonValue line;
  try {
    line = read_body(text);
  } catch (const ApiError& error) {
    throw LineError{"", error.message};
  }
  BatchRequest request;
  const std::string& id = text_member(line, "custom_id", "");
  if (id.empty() || code_points(id) > kMostId)
    throw LineError{
        "", fmt::format("custom_id: expected 1 to {} characters, found {}", kMostId, code_points(id))};
  request.custom_id = id;
  if (const std::string& method = text_member(line, "method", id); method != "POST")
    throw LineError{id, fmt::format("method: expected POST, found '{}'", printable(method, 64))};
  request.url = text_member(line, "url", id);
  if (std::ranges::find(kUrls, request.url) == kUrls.end()) {
    throw LineError{id, fmt::format("url: expected /v1/chat/completions, /v1/completions, /v1/responses or "
                                    "/v1/messages, found '{}'",
                                    printable(request.url, 64))};
  }
  const JsonValue* body = line.find("body");
  if (!body || !body->as_object()) throw LineError{id, "body: expected an object, found something else"};
  const JsonValue* stream = body->find("stream");
  if (stream && stream->as_bool() && *stream->as_bool())
    throw LineError{id, "body.stream: expected false, found true"};
  request.body = compact_json(*body);
  return request;
}

// Where sources say that they have something; it outlives the run that waits for them.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int64_t> ready;
  void put(int64_t number) {
    {
      const std::lock_guard lock(mutex);
      ready.push_back(number);
    }
    changed.notify_one();
  }
  std::vector<int64_t> take(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, wait, [&] { return !ready.empty(); });
    return std::exchange(ready, {});
  }
};

class Batch {
 public:
  Batch(HttpHandler& service, const std::filesystem::path& in, const std::filesystem::path& out,
        const BatchOptions& options)
      : service_(service), options_(options), input_(in, options.line_bytes), output_(out) {}
  ~Batch() { end_all(); }

  BatchSummary run() {
    to_do_ = count_lines();
    bool more = true;
    while (more || !running_.empty()) {
      while (more && std::ssize(running_) < options_.at_once) more = start_next();
      collect(running_.empty() ? 0ms : 200ms);
      if (!lines_.empty()) output_.append(std::exchange(lines_, {}));
      if (options_.progress && !options_.progress(done(), std::max(to_do_, done()))) return summary_;
    }
    summary_.finished = true;
    return summary_;
  }

 private:
  struct Running {
    std::string custom_id, request_id;
    std::shared_ptr<ReplySource> source;
  };

  static bool is_blank(const std::string& text) {
    return text.find_first_not_of(" \t\r") == std::string::npos;
  }

  int64_t done() const { return summary_.answered + summary_.failed + summary_.invalid; }

  // Lines that are not answered yet, as far as a glance at their ids tells: for the time left alone.
  int64_t count_lines() {
    int64_t count = 0;
    while (const auto line = input_.next()) count += is_blank(line->text) ? 0 : 1;
    input_.rewind();
    return count;
  }

  // False: the input has ended.
  bool start_next() {
    const auto line = input_.next();
    if (!line) return false;
    ++number_;
    if (is_blank(line->text) && !line->too_long) return true;
    ++summary_.lines;
    BatchRequest request;
    try {
      if (line->too_long)
        throw LineError{"", fmt::format("expected at most {} bytes, found more", options_.line_bytes)};
      request = read_line(line->text);
      if (!ids_.insert(request.custom_id).second)
        throw LineError{"", fmt::format("custom_id: expected each once, found '{}' again",
                                        printable(request.custom_id, 64))};
    } catch (const LineError& error) {
      if (!error.custom_id.empty()) ids_.insert(error.custom_id);
      if (error.custom_id.empty() ? output_.has_line(number_) : output_.has(error.custom_id)) {
        skip();
      } else {
        ++summary_.invalid;
        lines_ += error_line(error.custom_id, fmt::format("line {}: {}", number_, error.message));
      }
      return true;
    }
    if (output_.has(request.custom_id)) {
      skip();
      return true;
    }
    start(std::move(request));
    return true;
  }

  void skip() {
    ++summary_.skipped;
    --to_do_;
  }

  void start(BatchRequest request) {
    HttpRequest http;
    http.method = "POST";
    http.target = http.path = request.url;
    http.fields = {{"content-type", "application/json"}};
    http.body = std::move(request.body);
    HttpReply reply = service_.handle(std::move(http));
    Running one{std::move(request.custom_id), "", reply.source};
    for (const auto& [name, value] : reply.fields) {
      if (name == "x-request-id") one.request_id = value;
    }
    if (!one.source) return write(one, reply);
    const int64_t number = number_;
    one.source->notify([mailbox = mailbox_, number] { mailbox->put(number); });
    running_.emplace(number, std::move(one));
    mailbox_->put(number);  // it may have ended before it was listened to
  }

  void collect(std::chrono::milliseconds wait) {
    for (const int64_t number : mailbox_->take(wait)) {
      const auto found = running_.find(number);
      if (found == running_.end() || !found->second.source->take().end) continue;
      write(found->second, found->second.source->whole());
      running_.erase(found);
    }
  }

  void write(const Running& one, const HttpReply& reply) {
    ++(reply.status == 200 ? summary_.answered : summary_.failed);
    // The body is JSON as it stands, on one line.
    lines_ += fmt::format(
        "{{\"id\":{},\"custom_id\":{},\"response\":{{\"status_code\":{},\"request_id\":{},\"body\":{}}},"
        "\"error\":null}}\n",
        compact_json("batch_" + one.request_id), compact_json(one.custom_id), reply.status,
        compact_json(one.request_id), reply.body);
  }

  void end_all() {
    for (auto& [number, one] : running_) one.source->abandon();
  }

  HttpHandler& service_;
  const BatchOptions& options_;
  LineFile input_;
  BatchOutput output_;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::map<int64_t, Running> running_;  // by their line
  std::set<std::string> ids_;           // of all lines so far
  std::string lines_;                   // to be written
  int64_t number_ = 0, to_do_ = 0;
  BatchSummary summary_;
};

}  // namespace

BatchSummary run_batch(HttpHandler& service, const std::filesystem::path& in,
                       const std::filesystem::path& out, const BatchOptions& options) {
  return Batch(service, in, out, options).run();
}

}  // namespace fathom::server

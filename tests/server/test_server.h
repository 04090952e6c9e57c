#pragma once
// A server of the bundled model on a free port, and the smallest client: bytes out, bytes in.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "engine/serving/engine_thread.h"
#include "server/http/listener.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/service.h"

namespace fathom::test {

struct Answer {
  int status = 0;
  std::string head, body;  ///< the body without its chunks' borders
  bool closed = false;
  /// The value of a header (lower case, as the server writes it); empty if absent.
  std::string field(const std::string& name) const {
    const size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const size_t begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }
};

struct TestServerOptions {
  server::ServiceOptions service;
  server::HttpLimits limits;
  EngineThreadOptions engine;
  std::filesystem::path keys, ledger;  // empty: none
  std::shared_ptr<const Model> model;  // null: the bundled one, whose tokenizer is taken in any case
  std::filesystem::path tls_cert, tls_key;
};

class TestServer {
 public:
  explicit TestServer(const TestServerOptions& options = {}) {
    const std::filesystem::path folder = std::filesystem::path(FATHOM_SOURCE_DIR) / "models/v4-10m";
    auto served = std::make_unique<server::ServedModel>();
    served->name = "v4-10m";
    const std::shared_ptr<const Model> bundled = Model::open(folder);
    served->model = options.model ? options.model : bundled;
    served->tokenizer = Tokenizer::open(folder);
    served->setup = read_chat_setup(folder, bundled->weights().checkpoint().config_json(), bundled->config());
    served->engine = std::make_unique<EngineThread>(
        served->model, std::make_unique<Runtime<float>>(RuntimeOptions{}), served->tokenizer, options.engine);
    engine_ = served->engine.get();
    std::vector<std::unique_ptr<server::ServedModel>> models;
    models.push_back(std::move(served));
    std::unique_ptr<server::Keys> keys;
    if (!options.keys.empty()) keys = server::Keys::open(options.keys);
    std::unique_ptr<server::Ledger> ledger;
    if (!options.ledger.empty()) ledger = std::make_unique<server::Ledger>(options.ledger);
    service_ = std::make_unique<server::Service>(options.service, std::move(models), std::move(keys),
                                                 std::move(ledger));
    server::ListenerOptions listen;
    listen.port = 0;
    listen.limits = options.limits;
    listen.tls_cert = options.tls_cert;
    listen.tls_key = options.tls_key;
    listener_ = std::make_unique<server::Listener>(listen, *service_);
    listener_->start();
  }
  ~TestServer() {
    service_->drain();
    service_->cancel_all();
    while (!service_->idle()) usleep(1000);
    listener_->stop();
  }

  uint16_t port() const { return listener_->port(); }
  int64_t connections() const { return listener_->connections(); }
  SchedulerStats stats() const { return engine_->stats(); }
  server::Service& service() const { return *service_; }

  /// A connection whose reads and writes fail after `seconds`; -1 if there is none.
  int connect(int seconds = 10) const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit{seconds, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
    ::close(fd);
    return -1;
  }

  static void write(int fd, const std::string& bytes) {
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t sent = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server may have said no already
      done += static_cast<size_t>(sent);
    }
  }

  /// Reads until the peer closes, or a whole answer is there and `wait_close` is false; and closes.
  static Answer read(int fd, bool wait_close) {
    Answer answer;
    std::string text;
    char buffer[65536];
    while (true) {
      if (!wait_close && complete(text)) break;
      const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
      answer.closed = got == 0;
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
    }
    ::close(fd);
    if (text.size() > 12) answer.status = std::atoi(text.c_str() + 9);
    const size_t end = text.find("\r\n\r\n");
    if (end != std::string::npos) {
      answer.head = text.substr(0, end);
      answer.body = text.substr(end + 4);
      if (!answer.field("transfer-encoding").empty()) answer.body = unchunked(answer.body);
    }
    return answer;
  }

  /// Sends bytes and reads the answer.
  Answer send(const std::string& bytes, bool wait_close) const {
    const int fd = connect();
    if (fd < 0) return {};
    write(fd, bytes);
    return read(fd, wait_close);
  }

  static std::string post(const std::string& path, const std::string& body, const std::string& headers = "") {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{}Connection: close\r\n"
        "Content-Length: {}\r\n\r\n{}",
        path, headers, body.size(), body);
  }
  static std::string get(const std::string& path, const std::string& headers = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}Connection: close\r\n\r\n", path, headers);
  }

  void check_good() const {
    const Answer good = send(get("/health"), true);
    CHECK(good.status == 200);
    CHECK(good.body == "{\"status\":\"ok\"}");
  }

 private:
  static std::string unchunked(const std::string& text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const auto size = static_cast<size_t>(std::strtoull(text.c_str() + at, nullptr, 16));
      const size_t line = text.find("\r\n", at);
      if (line == std::string::npos || size == 0) break;
      out += text.substr(line + 2, size);
      at = line + 2 + size + 2;
    }
    return out;
  }
  static bool complete(const std::string& text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = text.find("content-length: ");
    if (length == std::string::npos || length > end) return text.starts_with("HTTP/1.1 204");
    return text.size() >= end + 4 + static_cast<size_t>(std::atoll(text.c_str() + length + 16));
  }
  EngineThread* engine_ = nullptr;
  std::unique_ptr<server::Service> service_;
  std::unique_ptr<server::Listener> listener_;
};

/// Waits until `condition` holds, at most `seconds`.
template <class Condition>
bool eventually(Condition condition, int seconds = 20) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// A chat request; `more` is members with a comma before each.
inline std::string chat_body(const std::string& text, int64_t max_tokens, const std::string& more = "") {
  return fmt::format(
      R"({{"model":"v4-10m","messages":[{{"role":"user","content":"{}"}}],"thinking":{{"type":"disabled"}},)"
      R"("max_tokens":{},"seed":1{}}})",
      text, max_tokens, more);
}

}  // namespace fathom::test

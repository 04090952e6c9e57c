// The server over HTTP: hostile input from tests/http, each case with its answer, and a good request after
// it.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "engine/serving/engine_thread.h"
#include "server/api/json_text.h"
#include "server/http/listener.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/service.h"
#include "text/python_json.h"

using namespace fathom;

namespace {

const std::filesystem::path kFolder = std::filesystem::path(FATHOM_SOURCE_DIR) / "models/v4-10m";

std::string word(const JsonValue* value) { return value && value->as_string() ? *value->as_string() : ""; }
int64_t number(const JsonValue* value) {
  return value && value->as_integer() ? std::stoll(value->as_integer()->digits) : 0;
}

struct Answer {
  int status = 0;
  std::string head, body;
  bool closed = false;
};

class Server {
 public:
  Server() {
    auto served = std::make_unique<server::ServedModel>();
    served->name = "v4-10m";
    served->model = Model::open(kFolder);
    served->tokenizer = Tokenizer::open(kFolder);
    served->setup = read_chat_setup(kFolder, served->model->weights().checkpoint().config_json(),
                                    served->model->config());
    served->engine =
        std::make_unique<EngineThread>(served->model, std::make_unique<Runtime<float>>(RuntimeOptions{}),
                                       served->tokenizer, EngineThreadOptions{});
    std::vector<std::unique_ptr<server::ServedModel>> models;
    models.push_back(std::move(served));
    service_ =
        std::make_unique<server::Service>(server::ServiceOptions{}, std::move(models), nullptr, nullptr);
    server::ListenerOptions options;
    options.port = 0;
    listener_ = std::make_unique<server::Listener>(options, *service_);
    listener_->start();
  }
  ~Server() {
    service_->drain();
    service_->cancel_all();
    while (!service_->idle()) usleep(1000);
    listener_->stop();
  }

  /// Sends bytes and reads until the peer closes, or a whole answer is there and `wait_close` is false.
  Answer send(const std::string& bytes, bool wait_close) const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Answer answer;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return answer;
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t sent = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) break;  // the server may have said no already
      done += static_cast<size_t>(sent);
    }
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
    }
    return answer;
  }

  void check_good() const {
    const Answer good = send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", true);
    CHECK(good.status == 200);
    CHECK(good.body == "{\"status\":\"ok\"}");
  }

 private:
  static bool complete(const std::string& text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = text.find("content-length: ");
    if (length == std::string::npos || length > end) return text.starts_with("HTTP/1.1 204");
    return text.size() >= end + 4 + static_cast<size_t>(std::atoll(text.c_str() + length + 16));
  }
  std::unique_ptr<server::Service> service_;
  std::unique_ptr<server::Listener> listener_;
};

std::string repeated(const std::string& text, int64_t times) {
  std::string out;
  out.reserve(text.size() * static_cast<size_t>(times));
  for (int64_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string body_of(const JsonValue& test_case) {
  if (const JsonValue* raw = test_case.find("raw")) return word(raw);
  if (const JsonValue* parts = test_case.find("repeat")) {
    const JsonValue::Array& p = *parts->as_array();
    return word(&p[0]) + repeated(word(&p[1]), number(&p[2])) + word(&p[3]);
  }
  const JsonValue* body = test_case.find("body");
  return body ? server::compact_json(*body) : "";
}

// Code points up to U+00FF as bytes.
std::string as_bytes(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == 0xC2 || c == 0xC3) {
      out += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3F));
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("hostile requests get their answers, and the next one is served") {
  const Server server;
  std::ifstream lines(FATHOM_SOURCE_DIR "/tests/http/requests.jsonl");
  int64_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const JsonValue test_case = parse_json_value(line, JsonDialect::serde);
    CAPTURE(number(test_case.find("n")));
    CAPTURE(word(test_case.find("name")));
    const std::string body = body_of(test_case);
    const JsonValue* method = test_case.find("method");
    const JsonValue* path = test_case.find("path");
    std::string request = fmt::format("{} {} HTTP/1.1\r\n", method ? word(method) : "POST",
                                      path ? word(path) : "/v1/chat/completions");
    std::string host = "Host: localhost\r\n";
    if (const JsonValue* headers = test_case.find("headers")) {
      for (const JsonMember& header : *headers->as_object()) {
        if (header.key == "host") host.clear();
        request += header.key + ": " + word(&header.value) + "\r\n";
      }
    } else {
      request += "Content-Type: application/json\r\n";
    }
    request += fmt::format("{}Connection: close\r\nContent-Length: {}\r\n\r\n", host, body.size());
    const Answer answer = server.send(request + body, true);
    CAPTURE(answer.body.substr(0, 300));
    CHECK(answer.status == number(test_case.find("status")));
    CHECK(answer.head.find("x-request-id: req_") != std::string::npos);
    if (answer.status >= 400) {
      const JsonValue error = parse_json_value(answer.body, JsonDialect::serde);
      const JsonValue* inner = error.find("error");
      REQUIRE(inner);
      CHECK_FALSE(word(inner->find("message")).empty());
      for (const char* key : {"code", "param"}) {
        if (const JsonValue* expected = test_case.find(key)) CHECK(word(inner->find(key)) == word(expected));
      }
      if (const JsonValue* start = test_case.find("message"))
        CHECK(word(inner->find("message")).starts_with(word(start)));
    }
    server.check_good();
  }
  CHECK(cases > 200);
}

TEST_CASE("what is no good HTTP is answered and cut off") {
  const Server server;
  std::ifstream lines(FATHOM_SOURCE_DIR "/tests/http/raw.jsonl");
  int64_t cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const JsonValue test_case = parse_json_value(line, JsonDialect::serde);
    CAPTURE(number(test_case.find("n")));
    CAPTURE(word(test_case.find("name")));
    std::string bytes = as_bytes(word(test_case.find("send")));
    if (const JsonValue* repeat = test_case.find("repeat")) {
      const JsonValue::Array& p = *repeat->as_array();
      bytes.replace(bytes.find('@'), 1, repeated(word(&p[0]), number(&p[1])));
    }
    const bool closes = !test_case.find("closes");
    const Answer answer = server.send(bytes, closes);
    CAPTURE(answer.head);
    CHECK(answer.status == number(test_case.find("status")));
    if (closes) CHECK(answer.closed);
    server.check_good();
  }
  CHECK(cases > 40);
}

// The server as a whole, in one process: bytes over a socket into the HTTP layer, routes, dialects,
// constraints, and a model of random weights that answers. An input is raw bytes, a body for a route, or says
// how requests of tests/http/requests.jsonl and tests/golden/api/requests.jsonl are mixed and bent, so that
// most reach a handler. Every request must have an answer that is HTTP and, where it says so, JSON; none may
// be 500. At the end it says how many requests there were. Run: docs/server.md.
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <fstream>
#include <map>

#include "fuzz/fuzz.h"
#include "fuzz/server/bent_json.h"
#include "server/http/connection.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/service.h"
#include "tests/support/small_model.h"

namespace fathom::fuzz {
namespace {

using namespace server;

constexpr const char* kServedFolder = FATHOM_SOURCE_DIR "/models/v4-10m";

// A handler that counts what it is asked.
class Counted final : public HttpHandler {
 public:
  explicit Counted(HttpHandler& inner) : inner_(inner) {}
  HttpReply handle(HttpRequest request) override {
    ++asked;
    HttpReply reply = inner_.handle(std::move(request));
    ++statuses[reply.status];
    return reply;
  }
  HttpReply fault(int status, const std::string& code, const std::string& message) override {
    ++asked;
    ++statuses[status];
    return inner_.fault(status, code, message);
  }
  int64_t asked = 0;
  std::map<int, int64_t> statuses;

 private:
  HttpHandler& inner_;
};

class World {
 public:
  static World& get() {
    static World* const world = new World;  // never destroyed: the report at the end reads it
    return *world;
  }
  World() {
    auto served = std::make_unique<ServedModel>();
    served->name = "v4-10m";
    served->fingerprint = "fp_0123456789ab";
    served->model = small_.model;
    served->tokenizer = Tokenizer::open(kServedFolder);
    served->setup.stop_tokens = {1};
    EngineThreadOptions engine;
    engine.scheduler.answer_seconds = 0.004;
    engine.scheduler.queue_seconds = 1;
    engine.scheduler.max_sequences = 4;
    engine.scheduler.cache_bytes = 4 << 20;
    served->engine = std::make_unique<EngineThread>(
        served->model, std::make_unique<Runtime<float>>(test::make_runtime<float>()), served->tokenizer,
        engine);
    std::vector<std::unique_ptr<ServedModel>> models;
    models.push_back(std::move(served));
    ServiceOptions options;
    options.cors_origins = {"*"};
    service_ = std::make_unique<Service>(options, std::move(models), nullptr, nullptr);
    counted_ = std::make_unique<Counted>(*service_);
    HttpLimits limits;
    limits.head = 8 << 10;
    limits.request_line = 4 << 10;
    limits.body = 256 << 10;
    shared_ = std::make_unique<ConnectionShared>(limits, *counted_, "fathom");
    read_pool(FATHOM_SOURCE_DIR "/tests/http/requests.jsonl", "body");
    read_pool(FATHOM_SOURCE_DIR "/tests/golden/api/requests.jsonl", "request");
    expect(pool.size() > 100, "no requests to start from");
    std::atexit([] { get().report(); });
  }

  struct Case {
    std::string path;
    JsonValue body;
  };
  std::vector<Case> pool;

  /// All bytes go in, and what comes out comes back. If `waits`, the peer stays until the server has closed.
  std::string exchange(const std::string& bytes, bool waits) {
    int ends[2];
    expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "no sockets");
    boost::asio::io_context context(1);
    {
      boost::asio::ip::tcp::socket socket(context);
      socket.assign(boost::asio::ip::tcp::v4(), ends[0]);
      serve_connection(std::move(socket), *shared_);
    }
    std::string out;
    size_t sent = 0;
    bool open = true;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(50);  // a busy machine
    while (shared_->open > 0) {
      context.restart();
      context.poll();
      if (sent < bytes.size()) {
        const ssize_t count = ::send(ends[1], bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (count > 0) sent += static_cast<size_t>(count);
        if (count < 0 && errno != EAGAIN) sent = bytes.size();  // it has closed
      }
      if (sent == bytes.size() && !waits && open) {
        ::shutdown(ends[1], SHUT_WR);
        open = false;
      }
      char buffer[65536];
      ssize_t count = 0;
      while ((count = ::recv(ends[1], buffer, sizeof(buffer), 0)) > 0)
        out.append(buffer, static_cast<size_t>(count));
      if (count == 0 && open) {
        ::shutdown(ends[1], SHUT_WR);
        open = false;
      }
      expect(std::chrono::steady_clock::now() < until, "a connection that does not end");
      if (shared_->open > 0) {
        context.restart();
        context.run_one_for(std::chrono::milliseconds(1));
      }
    }
    ::close(ends[1]);
    return out;
  }

 private:
  void read_pool(const std::string& file, const char* member) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
      if (line.size() > 6000) continue;
      const JsonValue entry = parse_json_value(line, JsonDialect::serde);
      const JsonValue* body = entry.find(member);
      if (!body || !body->as_object()) continue;
      const JsonValue* path = entry.find("path");
      const JsonValue* api = entry.find("api");
      std::string route = path && path->as_string() ? *path->as_string() : "/v1/chat/completions";
      if (api && api->as_string()) {
        route = *api->as_string() == "responses"  ? "/v1/responses"
                : *api->as_string() == "messages" ? "/v1/messages"
                                                  : "/v1/chat/completions";
      }
      JsonValue::Object named;
      for (const JsonMember& m : *body->as_object()) {
        named.push_back(m.key == "model" ? JsonMember{"model", "claude-and-deepseek-v4-flash"} : m);
        if (m.key == "model") named.back().value = route.ends_with("messages") ? "claude-x" : "v4-10m";
      }
      pool.push_back({route, std::move(named)});
    }
  }
  void report() const {
    std::string text;
    for (const auto& [status, count] : counted_->statuses) text += fmt::format(" {}: {}", status, count);
    std::fprintf(stderr, "http: %lld requests;%s\n", static_cast<long long>(counted_->asked), text.c_str());
  }

  test::SmallModel<float> small_{test::small_config_with({{"\"vocab_size\": 37", "\"vocab_size\": 4096"}})};
  std::unique_ptr<Service> service_;
  std::unique_ptr<Counted> counted_;
  std::unique_ptr<ConnectionShared> shared_;
};

constexpr std::array<const char*, 32> kPaths = {"/v1/chat/completions",
                                                "/chat/completions",
                                                "/beta/v1/chat/completions",
                                                "/v1/completions",
                                                "/beta/completions",
                                                "/v1/responses",
                                                "/v1/responses/input_tokens",
                                                "/v1/responses/resp_0",
                                                "/v1/responses/resp_0/input_items",
                                                "/v1/messages",
                                                "/anthropic/v1/messages?beta=true",
                                                "/v1/messages/count_tokens",
                                                "/v1/models",
                                                "/v1/models/v4-10m",
                                                "/anthropic/v1/models?limit=1",
                                                "/tokenize",
                                                "/tokenize?as=messages",
                                                "/detokenize",
                                                "/apply_template",
                                                "/apply-template?as=responses",
                                                "/plan",
                                                "/plan?context=100&output=5",
                                                "/health",
                                                "/ready",
                                                "/metrics",
                                                "/props",
                                                "/openapi.json",
                                                "/user/balance",
                                                "/ledger?limit=5",
                                                "/",
                                                "/assets/x",
                                                "/v1/embeddings"};
constexpr std::array<const char*, 6> kMethods = {"POST", "GET", "HEAD", "DELETE", "OPTIONS", "PUT"};
constexpr std::array<const char*, 10> kHeaders = {
    "",
    "Connection: close\r\n",
    "Idempotency-Key: k1\r\n",
    "x-fathom-priority: low\r\n",
    "anthropic-version: 2023-06-01\r\n",
    "Origin: http://a.example\r\nAccess-Control-Request-Headers: x-a, content-type\r\n",
    "Authorization: Bearer sk-x\r\n",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx-client-request-id: a b\r\n",
    "Expect: 100-continue\r\n",
    "Accept-Encoding: gzip\r\nIf-None-Match: \"x\"\r\n"};

std::string request_of(Choices& choices, const char* method, const std::string& path,
                       const std::string& body) {
  std::string head =
      fmt::format("{} {} HTTP/1.{}\r\nHost: localhost\r\nContent-Type: application/json\r\n{}", method, path,
                  choices.one_in(16) ? 0 : 1, kHeaders[choices.below(kHeaders.size())]);
  if (choices.one_in(4)) {  // in chunks
    head += "Transfer-Encoding: chunked\r\n\r\n";
    for (size_t at = 0; at < body.size();) {
      const size_t size = std::min(body.size() - at, 1 + choices.below(300) * 7);
      head += fmt::format("{:x}\r\n{}\r\n", size, body.substr(at, size));
      at += size;
    }
    return head + "0\r\n\r\n";
  }
  return head + fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body);
}

std::string input_bytes(Choices& choices) {
  World& world = World::get();
  const size_t kind = choices.below(8);
  if (kind == 0) return choices.rest();
  if (kind == 1) {
    const char* method = kMethods[choices.below(kMethods.size())];
    const char* path = kPaths[choices.below(kPaths.size())];
    const std::string head = request_of(choices, method, path, "");
    const std::string body = choices.rest();
    return head.substr(0, head.find("Content-Length: 0")) +
           fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body);
  }
  std::string bytes;
  const size_t count = 1 + choices.below(6);
  for (size_t i = 0; i < count; ++i) {
    const World::Case& from = world.pool[choices.below(world.pool.size())];
    const World::Case& other = world.pool[choices.below(world.pool.size())];
    const JsonValue body = bent(from.body, other.body, choices);
    const bool own = !choices.one_in(5);
    bytes += request_of(choices, own ? "POST" : kMethods[choices.below(kMethods.size())],
                        own ? from.path : kPaths[choices.below(kPaths.size())], bent_text(body, choices));
  }
  return bytes;
}

// Reads the answers one after the other.
void check_answers(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return;  // the peer went away in the middle
    const std::string_view head = text.substr(0, end + 2);
    expect(head.starts_with("HTTP/1.1 "), "an answer begins with its version");
    const int status = std::atoi(head.data() + 9);
    text.remove_prefix(end + 4);
    if (status == 100) continue;
    expect(status != 500, "500");
    expect(head.find("\r\nx-request-id: req_") != std::string_view::npos, "no x-request-id");
    const size_t length = head.find("\r\ncontent-length: ");
    if (length == std::string_view::npos) {
      if (status == 204 || status == 304) continue;
      return;  // a stream, or chunks with blank lines
    }
    const auto size = static_cast<size_t>(std::atoll(head.data() + length + 18));
    if (text.size() < size) return;  // HEAD, or cut off
    const bool json = head.find("content-type: application/json") != std::string_view::npos;
    if (text.substr(0, 9) == "HTTP/1.1 ") continue;  // HEAD
    if (json) {
      const std::string_view body = text.substr(0, size);
      parse_json_value(body, JsonDialect::serde);
      expect(status < 400 || body.find("\"message\":") != std::string_view::npos, "an error without message");
    }
    text.remove_prefix(size);
  }
}

}  // namespace
}  // namespace fathom::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom::fuzz;
  Choices choices(data, size);
  const bool waits = choices.one_in(4);
  std::string bytes = input_bytes(choices);
  // Who waits for the end must let it come.
  if (waits) bytes += "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  try {
    check_answers(World::get().exchange(bytes, waits));
  } catch (const fathom::Error& error) {
    found(error.what());
  }
  return 0;
}

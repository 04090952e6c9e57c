// fathom chat --url: against our own server, and against servers that refuse, stall and break off.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/cli/program.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_folder.h"

using fathom::test::Finished;
using fathom::test::run_fathom;
using fathom::test::TempFolder;
using fathom::test::Terminal;

namespace {

// fathom serve as a process.
class Served {
 public:
  explicit Served(std::vector<std::string> more = {}) {
    std::vector<std::string> args = {FATHOM_BINARY, "serve", "-m",   "v4-10m",    "--port",
                                     "0",           "--log", "none", "--threads", "1"};
    args.insert(args.end(), more.begin(), more.end());
    int out[2];
    REQUIRE(pipe(out) == 0);
    child_ = fork();
    if (child_ == 0) {
      dup2(out[1], 1);
      close(out[0]);
      if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
      auto argv = fathom::test::argv_of(args);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    std::string line;
    char c = 0;
    pollfd wait{out[0], POLLIN, 0};
    while (poll(&wait, 1, 60'000) == 1 && read(out[0], &c, 1) == 1 && c != '\n') line += c;
    close(out[0]);
    REQUIRE(line.starts_with("ready http"));
    url = line.substr(6);
  }
  ~Served() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  std::string url;

 private:
  pid_t child_ = -1;
};

// Answers each request as told, and closes.
class Scripted {
 public:
  using Answer = std::function<void(int peer, const std::string& request)>;
  explicit Scripted(Answer answer) : answer_(std::move(answer)) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd_, 8) == 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { run(); });
  }
  ~Scripted() {
    ends_ = true;
    thread_.join();
    close(fd_);
  }
  static void send(int peer, const std::string& text) {
    static_cast<void>(::send(peer, text.data(), text.size(), MSG_NOSIGNAL));
  }
  std::string url;

 private:
  void run() {
    while (!ends_) {
      pollfd wait{fd_, POLLIN, 0};
      if (poll(&wait, 1, 50) != 1) continue;
      const int peer = accept(fd_, nullptr, nullptr);
      const timeval limit{20, 0};
      setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
      std::string request;
      char buffer[4096];
      size_t whole = std::string::npos;
      while (request.size() < whole) {
        const ssize_t got = recv(peer, buffer, sizeof(buffer), 0);
        if (got <= 0) break;
        request.append(buffer, static_cast<size_t>(got));
        const size_t end = request.find("\r\n\r\n");
        if (end == std::string::npos) continue;
        const size_t length = request.find("Content-Length: ");
        whole = end + 4 + (length < end ? std::strtoul(request.c_str() + length + 16, nullptr, 10) : 0);
      }
      answer_(peer, request);
      close(peer);
    }
  }
  Answer answer_;
  int fd_ = -1;
  std::atomic<bool> ends_ = false;
  std::thread thread_;
};

std::string whole(const std::string& status, const std::string& body, const std::string& fields = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\n" + fields +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
constexpr const char* kStream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
std::string said(const std::string& text, const char* end = "null") {
  return R"(data: {"choices":[{"index":0,"delta":{"content":")" + text + R"("},"finish_reason":)" + end +
         "}]}\n\n";
}

Finished ask(const std::string& url, const std::string& input = "Hello\n",
             const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"chat", "--url", url, "-m", "some-model"};
  args.insert(args.end(), more.begin(), more.end());
  return run_fathom(args, input);
}

}  // namespace

TEST_CASE("a conversation with our own server looks like one with a model here") {
  const Served server;
  Terminal t({"chat", "--url", server.url, "--seed", "1", "--think", "high"});
  REQUIRE(t.wait_for("v4-10m at http://127.0.0.1:"));
  REQUIRE(t.wait_for("/help lists the commands"));
  t.type("Compute 123 + 456.\n");
  REQUIRE(t.wait_for("\033[2m"));
  REQUIRE(t.wait_for("\033[J> thought for "));
  REQUIRE(t.wait_for("tokens read"));
  REQUIRE(t.wait_for("all after"));
  t.type("/reasoning\n");
  REQUIRE(t.wait_for("-> 579"));
  t.type("/think off\n");
  REQUIRE(t.wait_for("thinking off"));
  t.type("Compute 2 + 2.\n");
  REQUIRE(t.wait_for("written (0 thinking)"));
  t.type("/stats\n");
  REQUIRE(t.wait_for("first text after"));
  t.type("/models\n");
  REQUIRE(t.wait_for("v4-10m"));
  t.type("/exit\n");
  CHECK(t.finish() == 0);
}

TEST_CASE("from a pipe: the answer alone; a conversation is saved, cleared, loaded and goes on") {
  const Served server;
  const TempFolder folder;
  const std::string file = (folder.path() / "chat.json").string();
  const Finished run =
      run_fathom({"chat", "--url", server.url + "/v1/", "--think", "off", "--temperature", "0"},
                 "/system Be short.\nCompute 12 + 30.\n/save " + file + "\n/clear\n/load " + file +
                     "\nCompute 1 + 2.\n/help\n/nonsense\n");
  CHECK(run.status == 1);  // the last line
  CHECK(run.err.find("found '/nonsense'") != std::string::npos);
  CHECK(run.out.find("42\n3 messages saved") != std::string::npos);
  CHECK(run.out.find("3 messages loaded") != std::string::npos);
  CHECK(run.out.find("3\n/think off|low|high|max") != std::string::npos);
  const auto saved = nlohmann::json::parse(fathom::test::read_file(file));
  CHECK(saved["think"] == "off");
  CHECK(saved["messages"][0]["role"] == "system");
  CHECK(saved["messages"][2]["content"] == "42");
}

TEST_CASE("the request has what was asked for and no more; the key goes into the header") {
  std::mutex mutex;
  std::string seen;
  const Scripted server([&](int peer, const std::string& request) {
    const std::lock_guard lock(mutex);
    seen = request;
    Scripted::send(peer, kStream + said("fine", "\"stop\"") + "data: [DONE]\n\n");
  });
  Finished run = ask(server.url + "/api/v2", "Hello\n", {"--key", "sk-secret"});
  CHECK(run.status == 0);
  CHECK(run.out == "fine\n");
  CHECK(seen.starts_with("POST /api/v2/chat/completions HTTP/1.1\r\n"));
  CHECK(seen.find("authorization: Bearer sk-secret\r\n") != std::string::npos);
  auto body = nlohmann::json::parse(seen.substr(seen.find("\r\n\r\n") + 4));
  CHECK(body.size() == 4);  // model, messages, stream, stream_options
  CHECK(body["model"] == "some-model");
  CHECK(body["messages"] == nlohmann::json::parse(R"([{"role":"user","content":"Hello"}])"));

  run = ask(server.url, "Hello\n",
            {"--think", "low", "--max-tokens", "7", "--logit-bias", "5=-1", "--stop", "X", "--seed", "3"});
  body = nlohmann::json::parse(seen.substr(seen.find("\r\n\r\n") + 4));
  CHECK(body["thinking"]["type"] == "enabled");
  CHECK(body["reasoning_effort"] == "low");
  CHECK(body["max_tokens"] == 7);
  CHECK(body["logit_bias"]["5"] == -1);
  CHECK(body["stop"][0] == "X");
  CHECK(body["seed"] == 3);
}

TEST_CASE("Ctrl-C stops the answer and not the program, and the server sees the connection end") {
  std::atomic<bool> gone = false;
  const Scripted server([&](int peer, const std::string&) {
    Scripted::send(peer, kStream);
    for (int i = 0; i < 1200 && !gone; ++i) {
      Scripted::send(peer, said("tick "));
      pollfd wait{peer, POLLIN, 0};
      char byte = 0;
      if (poll(&wait, 1, 50) == 1 && recv(peer, &byte, 1, 0) <= 0) gone = true;
    }
  });
  Terminal t({"chat", "--url", server.url, "-m", "some-model"});
  REQUIRE(t.wait_for("/help lists the commands"));
  t.type("Go on for ever\n");
  REQUIRE(t.wait_for("tick tick"));
  t.type("\003");
  REQUIRE(t.wait_for("; stopped"));
  t.type("/model\n");
  REQUIRE(t.wait_for("model some-model"));
  t.type("/exit\n");
  CHECK(t.finish() == 0);
  for (int i = 0; i < 600 && !gone; ++i) usleep(100'000);
  CHECK(gone);
}

TEST_CASE("what goes wrong is said in one line, and a script sees it") {
  std::string reply;
  const Scripted server([&](int peer, const std::string&) { Scripted::send(peer, reply); });
  const auto error = [&](const std::string& answer) {
    reply = answer;
    const Finished run = ask(server.url);
    CHECK(run.status == 1);
    CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    return run.err;
  };
  const auto has = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  has(error(whole("401 Unauthorized", R"({"error":{"message":"wrong key"}})")),
      "expected a key that it knows (--key), found 401: wrong key");
  has(error(whole("429 Too Many Requests", R"({"error":{"message":"slow down"}})", "Retry-After: 7\r\n")),
      "busy (429, try again in 7 s): slow down");
  has(error(whole("404 Not Found", R"({"detail":"no such model"})")), "found 404: no such model");
  has(error(whole("500 Oops", "<html>\033[31m")), "found 500: <html>");
  has(error(kStream + said("half")), "found that it broke off");
  has(error(kStream + said("half") + R"(data: {"error":{"message":"engine gone"}})" + "\n\n"),
      "the answer broke off: engine gone");
  has(error(kStream + std::string("data: {\n\n")), "expected events in JSON");
  has(error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nda"), "broke off");
  has(error("nonsense\r\n\r\n"), "expected an answer in HTTP");
  has(error(""), "expected an answer in HTTP");

  const int closed = socket(AF_INET, SOCK_STREAM, 0);  // a port that nobody listens on
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  REQUIRE(bind(closed, reinterpret_cast<sockaddr*>(&address), size) == 0);
  getsockname(closed, reinterpret_cast<sockaddr*>(&address), &size);
  const Finished run = ask("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  close(closed);
  CHECK(run.status == 1);
  has(run.err, "expected a server, found: Connection refused");
  for (const char* url : {"127.0.0.1:80", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://u@h/",
                          "http://[::1", "http://a b/"}) {
    has(ask(url).err, "url: expected http://HOST:PORT or https://HOST:PORT");
  }
}

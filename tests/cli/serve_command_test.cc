// fathom serve as a process: several models, settings from the environment and a file, the log, and what a
// service manager is told.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/server_log.h"
#include "tests/cli/program.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_folder.h"

using namespace fathom;

namespace {

// A datagram within ten seconds, or nothing.
std::string receive(int fd) {
  pollfd wait{fd, POLLIN, 0};
  if (poll(&wait, 1, 10'000) != 1) return "";
  char text[64];
  const ssize_t got = recv(fd, text, sizeof(text), 0);
  return got > 0 ? std::string(text, static_cast<size_t>(got)) : "";
}

}  // namespace

TEST_CASE("several models, settings from the environment, and a service manager") {
  const test::TempFolder folder;
  const std::string socket_path = (folder.path() / "notify").string();
  const std::string log_path = (folder.path() / "log.jsonl").string();
  const int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(socket_path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  REQUIRE(bind(manager, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);

  const std::string config = (folder.path() / "serve.toml").string();
  std::ofstream(config) << "max-rows = 8\nlog = \"none\"\nmodel = [\"a=v4-10m\", \"b-pro=v4-10m\"]\n";
  const std::string out_path = (folder.path() / "out").string();
  const pid_t child = fork();
  if (child == 0) {
    setenv("NOTIFY_SOCKET", socket_path.c_str(), 1);
    setenv("FATHOM_SERVE_PORT", "0", 1);
    setenv("FATHOM_SERVE_LOG", log_path.c_str(), 1);
    if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
    const int out = open(out_path.c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(out, 1);
    execl(FATHOM_BINARY, FATHOM_BINARY, "serve", "--config", config.c_str(), "--threads", "1", nullptr);
    _exit(127);
  }
  CHECK(receive(manager) == "READY=1");
  const std::string ready = test::read_file(out_path);
  CAPTURE(ready);
  REQUIRE(ready.starts_with("ready http://127.0.0.1:"));
  const std::string port = ready.substr(23, ready.find('\n') - 23);

  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const timeval limit{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(std::atoi(port.c_str())));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof(server)) == 0);
  const std::string request =
      "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/models/deepseek-v4-pro HTTP/1.1\r\nHost: "
      "localhost\r\nConnection: close\r\n\r\n";
  REQUIRE(send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(fd);
  CHECK(text.find("\"id\":\"a\"") != std::string::npos);
  CHECK(text.find("\"id\":\"b-pro\"") != std::string::npos);
  CHECK(text.rfind("\"id\":\"b-pro\"") > text.rfind("HTTP/1.1 200"));

  kill(child, SIGTERM);
  CHECK(receive(manager) == "STOPPING=1");
  CHECK(test::wait_at_most(child, 20) == 0);
  close(manager);
  const std::string log = test::read_file(log_path);
  CAPTURE(log);
  CHECK(log.starts_with("{\"time\":\"20"));
  CHECK(log.find("\"route\":\"/v1/models\"") != std::string::npos);
  CHECK(log.ends_with("}\n"));
}

TEST_CASE("settings that are no good are named") {
  CHECK(test::run_fathom({"serve", "--port", "0", "-m", "a=v4-10m", "-m", "a=v4-10m"}).status == 1);
  CHECK(test::run_fathom({"serve", "--port", "0", "-m", "a b=v4-10m"}).status == 1);

  for (const char* name : {"--tls-cert", "--keys"}) {
    const test::Finished empty = test::run_fathom({"serve", "--port", "0", name, ""});
    CHECK(empty.status == 1);
    CHECK(empty.err.find("expected the name of a file, found an empty one") != std::string::npos);
  }

  const test::TempFolder folder;
  const test::Finished alone = test::run_fathom({"serve", "--port", "0", "--tls-cert", "cert.pem"});
  CHECK(alone.status == 1);
  CHECK(alone.err.find("tls-key: expected a file beside --tls-cert, found none") != std::string::npos);
  const std::string missing = (folder.path() / "missing.pem").string();
  const auto config =
      folder.write("serve.toml", "port = 0\ntls-cert = \"" + missing + "\"\ntls-key = \"" + missing + "\"\n");
  const test::Finished unreadable = test::run_fathom({"serve", "--config", config.string()});
  CHECK(unreadable.status == 1);
  CHECK(unreadable.err.find(missing) != std::string::npos);
  const auto serve = [&](const char* prices) {
    const std::string path = folder.write("prices.json", prices).string();
    return test::run_fathom({"serve", "--port", "0", "--price-table", path}).err;
  };
  const std::string bad =
      serve(R"({"currency": "EUR", "models": {"v4": {"hit": 1, "miss": -1, "output": 1}}})");
  CHECK(bad.find("prices.json: prices.models.v4.miss: expected") != std::string::npos);
  const std::string other =
      serve(R"({"currency": "EUR", "models": {"x": {"hit": 1, "miss": 1, "output": 1}}})");
  CHECK(other.find("prices.models: expected a price of 'nano'") != std::string::npos);
}

TEST_CASE("folders that are missing are named, and not made") {
  const test::TempFolder folder;
  for (const std::string option : {"log", "ledger", "store", "cache-dir"}) {
    CAPTURE(option);
    const auto r = test::run_fathom(
        {"serve", "-m", "v4-10m", "--port", "0", "--" + option, (folder / "no/such").string()});
    CHECK(r.status == 1);
    CHECK(r.err == "fathom: " + option + ": expected a folder " + (folder / "no").string() +
                       " to write into, found none\n");
    CHECK(!std::filesystem::exists(folder / "no"));
  }
}

TEST_CASE("a log that is full is said once") {
  const test::TempFolder folder;
  const std::string err = (folder / "err").string();
  const pid_t child = fork();
  if (child == 0) {
    dup2(open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    {
      cli::ServerLog log("/dev/full");
      for (int i = 0; i < 3; ++i) log.write({});
    }
    _exit(0);
  }
  CHECK(test::wait_at_most(child, 60) == 0);
  const std::string said = test::read_file(err);
  CHECK_MESSAGE(said.starts_with("fathom: log /dev/full: lines are lost: "), said);
  CHECK(std::count(said.begin(), said.end(), '\n') == 1);
}

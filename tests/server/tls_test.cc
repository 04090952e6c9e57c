// HTTPS: answers whole and streamed, peers that go or never come, and files that are not what they should be.
// The certificates are made here.
#include "server/http/tls.h"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstring>

#include "base/error.h"
#include "server/http/client.h"
#include "tests/server/test_server.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using test::Answer;
using test::chat_body;
using test::TestServer;

namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Freed<X509_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;

void write_key(const std::filesystem::path& path, EVP_PKEY* key, const char* passphrase = nullptr) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(file);
  char secret[64] = "";
  if (passphrase) std::snprintf(secret, sizeof(secret), "%s", passphrase);
  CHECK(PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : nullptr,
                             passphrase ? reinterpret_cast<unsigned char*>(secret) : nullptr,
                             passphrase ? static_cast<int>(std::strlen(secret)) : 0, nullptr, nullptr) == 1);
  std::fclose(file);
}

// cert.pem and key.pem for 127.0.0.1, signed by themselves.
void make_pair(const std::filesystem::path& folder, const std::string& name) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  REQUIRE(key);
  const CertPtr cert(X509_new());
  X509_set_version(cert.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
  X509_set_pubkey(cert.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(cert.get(), subject);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(cert.get(), names, -1);
  X509_EXTENSION_free(names);
  REQUIRE(X509_sign(cert.get(), key.get(), EVP_sha256()) > 0);
  std::FILE* file = std::fopen((folder / (name + "cert.pem")).c_str(), "w");
  REQUIRE(file);
  CHECK(PEM_write_X509(file, cert.get()) == 1);
  std::fclose(file);
  write_key(folder / (name + "key.pem"), key.get());
}

// A connection that has shaken hands and believes the certificate; null if it may not be.
struct Client {
  int fd = -1;
  ContextPtr context;
  SslPtr ssl;

  Client(const TestServer& server, const std::filesystem::path& cert, int highest = 0)
      : fd(server.connect(60)), context(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_load_verify_file(context.get(), cert.c_str());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (highest) {
      SSL_CTX_set_security_level(context.get(), 0);
      SSL_CTX_set_max_proto_version(context.get(), highest);
    }
    ssl.reset(SSL_new(context.get()));
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), "127.0.0.1");
    SSL_set_fd(ssl.get(), fd);
    if (SSL_connect(ssl.get()) != 1) ssl.reset();
  }
  ~Client() {
    if (fd >= 0) ::close(fd);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void write(const std::string& bytes) const {
    CHECK(SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size())) ==
          static_cast<int>(bytes.size()));
  }
  /// What comes until `end` is there or the peer ends; and how it ended.
  std::string read(const std::string& end, int* why = nullptr) const {
    std::string text;
    char buffer[16384];
    while (end.empty() || text.find(end) == std::string::npos) {
      const int got = SSL_read(ssl.get(), buffer, sizeof(buffer));
      if (got <= 0) {
        if (why) *why = SSL_get_error(ssl.get(), got);
        break;
      }
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }
};

struct Https {
  test::TempFolder folder;
  test::TestServerOptions options;
  Https() {
    make_pair(folder.path(), "");
    options.tls_cert = cert();
    options.tls_key = folder.path() / "key.pem";
  }
  std::filesystem::path cert() const { return folder.path() / "cert.pem"; }
};

std::string keep_alive(const std::string& request) {
  const std::string close = "Connection: close\r\n";
  std::string out = request;
  return out.erase(out.find(close), close.size());
}

const std::string kChat = "/v1/chat/completions";
const std::string kStream = R"(,"stream":true)";

}  // namespace

TEST_CASE("our own client believes a certificate that it is told to, and no other") {
  const Https https;
  const TestServer server(https.options);
  const auto ask = [&](const std::string& host, const std::filesystem::path& ca) {
    server::ClientOptions options;
    options.ca_file = ca.string();
    std::string body;
    const auto reply = server::request(
        server::parse_server_url(fmt::format("https://{}:{}", host, server.port())), options, "POST", kChat,
        {{"content-type", "application/json"}}, chat_body("Compute 12 + 34.", 40),
        [&](const server::ClientReply&, std::string_view bytes) {
          body += bytes;
          return true;
        });
    return fmt::format("{} {}", reply.status, body);
  };
  const std::string good = ask("127.0.0.1", https.cert());
  CHECK(good.starts_with("200 "));
  CHECK(good.find("\"content\":\"46\"") != std::string::npos);
  const auto fails = [&](const std::string& host, const std::filesystem::path& ca, const char* what) {
    try {
      ask(host, ca);
      FAIL("it was believed");
    } catch (const Error& error) {
      CAPTURE(error.message());
      CHECK(error.message().find(what) != std::string::npos);
    }
  };
  fails("127.0.0.1", "", "expected a trusted certificate");
  fails("127.1", https.cert(),
        "expected a trusted certificate");  // the same place, by a name that is not its own
  fails("127.0.0.1", https.folder.path() / "key.pem", "expected certificates in PEM");
}

TEST_CASE("answers over TLS, several on a connection, and an end that can be told from a cut") {
  const Https https;
  const TestServer server(https.options);
  const Client client(server, https.cert());
  REQUIRE(client.ssl);
  CHECK(SSL_version(client.ssl.get()) == TLS1_3_VERSION);
  client.write(keep_alive(TestServer::get("/health")));
  CHECK(client.read("}").find("200 OK") != std::string::npos);
  // Streamed, not streamed, and two at once: what comes while an answer is made is not lost.
  const std::string body = chat_body("Compute 12 + 34.", 40);
  client.write(keep_alive(TestServer::post(kChat, chat_body("Compute 12 + 34.", 40, kStream))));
  CHECK(client.read("0\r\n\r\n").find("data: [DONE]") != std::string::npos);
  client.write(keep_alive(TestServer::post(kChat, body)) + TestServer::post(kChat, body));
  int why = 0;
  const std::string both = client.read("", &why);
  CHECK(both.find("\"content\":\"46\"") != std::string::npos);
  CHECK(both.find("\"content\":\"46\"") != both.rfind("\"content\":\"46\""));
  CHECK(why == SSL_ERROR_ZERO_RETURN);

  const Client old(server, https.cert(), TLS1_2_VERSION), older(server, https.cert(), TLS1_1_VERSION);
  CHECK(old.ssl);
  CHECK_FALSE(older.ssl);
}

TEST_CASE("a request that is sent while an answer is streamed gets its own") {
  const Https https;
  const TestServer server(https.options);
  const Client client(server, https.cert());
  REQUIRE(client.ssl);
  client.write(keep_alive(TestServer::post(kChat, chat_body("Compute 12 + 34.", 200, kStream))));
  const std::string begin = client.read("data: ");
  client.write(TestServer::get("/health"));
  const std::string rest = begin + client.read("");
  const size_t done = rest.find("data: [DONE]");
  REQUIRE(done != std::string::npos);
  CHECK(rest.find("{\"status\":\"ok\"}", done) != std::string::npos);
}

TEST_CASE("a peer that goes frees its request, whether it says so or not") {
  const Https https;
  const TestServer server(https.options);
  for (const bool polite : {true, false}) {
    for (const char* more : {",\"stream\":true", ""}) {
      CAPTURE(polite);
      CAPTURE(more);
      std::string text;
      for (int i = 0; i < 9000; ++i) text += fmt::format("{} ", (i * 7919 + (polite ? 1 : 2)) % 1000);
      {
        const Client client(server, https.cert());
        REQUIRE(client.ssl);
        client.write(TestServer::post(kChat, chat_body(text, 60000, more)));
        CHECK(test::eventually([&] { return server.stats().running > 0; }, 60));
        if (polite) SSL_shutdown(client.ssl.get());
      }
      CHECK(test::eventually([&] { return server.stats().running == 0 && server.connections() == 0; }, 60));
    }
  }
}

TEST_CASE("whoever does not shake hands is let go, and the next one is served") {
  Https https;
  https.options.limits.head_time = std::chrono::milliseconds(300);
  const TestServer server(https.options);
  const int silent = server.connect(60);
  char byte = 0;
  CHECK(recv(silent, &byte, 1, 0) == 0);
  ::close(silent);
  const Answer plain = server.send(TestServer::get("/health"), true);
  CHECK(plain.status == 0);
  const Answer noise = server.send(std::string(100'000, '\x16'), true);
  CHECK(noise.status == 0);
  const Client client(server, https.cert());
  REQUIRE(client.ssl);
  client.write(TestServer::get("/health"));
  CHECK(client.read("").find("{\"status\":\"ok\"}") != std::string::npos);
}

TEST_CASE("files that are not a certificate and its key are named") {
  const test::TempFolder folder;
  make_pair(folder.path(), "a");
  make_pair(folder.path(), "b");
  const auto at = [&](const char* name) { return (folder.path() / name).string(); };
  folder.write("text", "not PEM\n");
  folder.write("empty", "");
  write_key(at("secret"), KeyPtr(EVP_EC_gen("P-256")).get(), "word");
  CHECK(server::tls_context(at("acert.pem"), at("akey.pem")));
  const auto message = [&](const char* cert, const char* key) {
    try {
      (void)server::tls_context(at(cert), at(key));
    } catch (const Error& error) {
      return std::string(error.message());
    }
    return std::string("accepted");
  };
  const auto starts = [&](const std::string& text, const char* file, const std::string& rest) {
    CAPTURE(text);
    CHECK(text.starts_with(at(file) + ": " + rest));
  };
  CHECK(message("missing", "akey.pem").find(at("missing")) != std::string::npos);
  CHECK(message("acert.pem", "missing").find(at("missing")) != std::string::npos);
  starts(message("text", "akey.pem"), "text", "expected a certificate chain in PEM, found: ");
  starts(message("empty", "akey.pem"), "empty", "expected a certificate chain in PEM, found: ");
  starts(message("akey.pem", "akey.pem"), "akey.pem", "expected a certificate chain in PEM, found: ");
  starts(message("acert.pem", "text"), "text", "expected a private key in PEM, found: ");
  starts(message("acert.pem", "acert.pem"), "acert.pem", "expected a private key in PEM, found: ");
  starts(message("acert.pem", "secret"), "secret",
         "expected a private key without a passphrase, found one with it");
  starts(message("acert.pem", "bkey.pem"), "bkey.pem",
         "expected the private key of " + at("acert.pem") + ", found another's");
}

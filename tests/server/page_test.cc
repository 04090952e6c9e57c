// The web page: its files, what may be kept of them, and what a browser is told to refuse.
#include "server/page/page.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include "server/page/page_files.h"
#include "server/service/routes.h"
#include "tests/server/test_server.h"

using namespace fathom;
using namespace fathom::server;
using test::Answer;
using test::TestServer;

namespace {

std::string unzipped(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(size_t{4} << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string field_of(const HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.fields) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace

TEST_CASE("every file of the page is served with its type, and only these") {
  const Page page;
  const std::vector<PageFile> files = page_files();
  CHECK(files.size() > 3);
  for (const PageFile& file : files) {
    if (file.path == "/index.html") continue;
    CAPTURE(file.path);
    const auto route = find_route(file.path);
    REQUIRE(route);
    CHECK(route->route == Route::page);
    const HttpReply reply = page.reply(file.path, {});
    CHECK(reply.status == 200);
    CHECK(reply.body == file.bytes);
    CHECK(reply.content_type != "application/octet-stream");
    CHECK(field_of(reply, "x-content-type-options") == "nosniff");
    const bool kept = field_of(reply, "cache-control") == "public, max-age=31536000, immutable";
    CHECK(kept == file.path.starts_with("/assets/"));
  }
  for (const char* path : {"/index.html", "/assets", "/assets/", "/assets/none.js", "/favicon.ico.js",
                           "/assets/../favicon.ico", "/web/dist/index.html"}) {
    CAPTURE(path);
    CHECK_FALSE(find_route(path));
  }
}

TEST_CASE("the page's HTML has no script or style of its own, and the policy allows none") {
  const HttpReply reply = Page().reply("/", {});
  CHECK(reply.content_type == "text/html; charset=utf-8");
  CHECK(field_of(reply, "content-security-policy").starts_with("default-src 'self';"));
  CHECK(field_of(reply, "content-security-policy").find("unsafe") == std::string::npos);
  CHECK(field_of(reply, "cache-control") == "no-cache");
  CHECK(reply.body.find("<script type=\"module\" crossorigin src=\"/assets/") != std::string::npos);
  for (const char* bad : {"<style", "style=", "onload=", "http://", "https://"}) {
    CAPTURE(bad);
    CHECK(reply.body.find(bad) == std::string::npos);
  }
}

TEST_CASE("the page over HTTP: compressed if wanted, 304 if known, HEAD without a body") {
  const TestServer server;
  const Answer plain = server.send(TestServer::get("/"), true);
  CHECK(plain.status == 200);
  CHECK(plain.field("content-encoding").empty());
  CHECK(plain.field("vary") == "Accept-Encoding");
  for (const char* codings : {"gzip", "br, GZIP;q=0.5", "deflate, gzip , br"}) {
    CAPTURE(codings);
    const Answer packed =
        server.send(TestServer::get("/", fmt::format("Accept-Encoding: {}\r\n", codings)), true);
    CHECK(packed.field("content-encoding") == "gzip");
    CHECK(unzipped(packed.body) == plain.body);
    CHECK(packed.field("etag") != plain.field("etag"));
  }
  for (const char* codings : {"br", "gzip;q=0", "xgzip"}) {
    CAPTURE(codings);
    const Answer answer =
        server.send(TestServer::get("/", fmt::format("Accept-Encoding: {}\r\n", codings)), true);
    CHECK(answer.body == plain.body);
  }
  const std::string known = fmt::format("If-None-Match: \"other\", W/{}\r\n", plain.field("etag"));
  const Answer same = server.send(TestServer::get("/", known), true);
  CHECK(same.status == 304);
  CHECK(same.body.empty());
  CHECK(same.field("content-length").empty());
  CHECK(same.field("etag") == plain.field("etag"));
  const Answer head = server.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", true);
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.field("content-length") == std::to_string(plain.body.size()));
  CHECK(server.send(TestServer::post("/", "{}"), true).status == 405);
  server.check_good();
}

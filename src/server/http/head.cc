#include "server/http/head.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/error.h"

namespace fathom::server {
namespace {

HttpFault bad(std::string message) { return {400, "", "HTTP: " + std::move(message)}; }

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_char); }
bool is_visible(char c) { return c > 0x20 && c < 0x7F; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string> list_items(std::string_view value) {
  std::vector<std::string> items;
  while (true) {
    const size_t comma = value.find(',');
    items.push_back(lowered(trimmed(value.substr(0, comma))));
    if (comma == std::string_view::npos) return items;
    value.remove_prefix(comma + 1);
  }
}

std::optional<HttpFault> parse_request_line(std::string_view line, HttpRequest& out) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return bad("expected a method, a target and a version");
  const std::string_view method = line.substr(0, first), target = line.substr(first + 1, last - first - 1),
                         version = line.substr(last + 1);
  if (!is_token(method)) return bad("expected a method");
  if (target.empty() || !std::ranges::all_of(target, is_visible))
    return bad("expected a target of visible ASCII");
  const bool shaped = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
                      std::isdigit(static_cast<unsigned char>(version[5])) &&
                      std::isdigit(static_cast<unsigned char>(version[7]));
  if (!shaped) return bad("expected a version such as HTTP/1.1");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return HttpFault{505, "not_implemented",
                     "HTTP: expected version 1.1 or 1.0, found " + std::string(version)};
  if (method == "CONNECT") return bad("CONNECT is not offered");
  if (target.front() != '/' && !(target == "*" && method == "OPTIONS"))
    return bad("expected a target that starts with '/'");
  out.method = method;
  out.target = target;
  out.version = version == "HTTP/1.1" ? 11 : 10;
  const size_t question = target.find('?');
  out.path = target.substr(0, question);
  if (question != std::string_view::npos) out.query = target.substr(question + 1);
  if (out.path.find('#') != std::string::npos) return bad("expected a target without a fragment");
  return std::nullopt;
}

std::optional<HttpFault> parse_field(std::string_view line, HeaderFields& out) {
  if (line.front() == ' ' || line.front() == '\t') return bad("a header goes on over several lines");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return bad("expected the name of a header");
  const std::string_view value = trimmed(line.substr(colon + 1));
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F)
      return bad("expected a header without control characters");
  }
  out.emplace_back(line.substr(0, colon), value);
  return std::nullopt;
}

int64_t count(const HttpRequest& request, std::string_view name) {
  return std::ranges::count_if(request.fields,
                               [&](const auto& field) { return lowered(field.first) == name; });
}

std::optional<HttpFault> read_framing(ParsedHead& out) {
  const HttpRequest& request = out.request;
  for (const char* once : {"host", "authorization", "content-type", "x-api-key"}) {
    if (count(request, once) > 1) return bad(fmt::format("expected one {} header, found several", once));
  }
  if (request.version == 11 && count(request, "host") == 0) return bad("expected a Host header");
  if (count(request, "content-length") > 1) return bad("expected one Content-Length, found several");
  const std::string* length = request.find("content-length");
  if (const std::string* coding = request.find("transfer-encoding")) {
    if (length || count(request, "transfer-encoding") > 1 || request.version == 10)
      return bad("expected Transfer-Encoding once, in HTTP/1.1 and without Content-Length");
    const std::vector<std::string> items = list_items(*coding);
    const auto chunked = std::ranges::count(items, "chunked");
    if (items.size() != 1 && chunked == std::ssize(items)) return bad("a body is chunked once");
    if (items.size() == 1 && items.front() == "identity") return bad("identity is no transfer coding");
    if (items.size() != 1 || chunked != 1)
      return HttpFault{501, "not_implemented", "HTTP: expected the transfer coding chunked, found another"};
    out.chunked = true;
  } else if (length) {
    const char* end = length->data() + length->size();
    const auto parsed = std::from_chars(length->data(), end, out.content_length);
    if (length->empty() || !std::isdigit(static_cast<unsigned char>(length->front())) ||
        parsed.ec != std::errc() || parsed.ptr != end)
      return bad("expected Content-Length as digits, within range");
  }
  return std::nullopt;
}

}  // namespace

const std::string* HttpRequest::find(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (std::ranges::equal(known, name, [](char a, char b) { return lower(a) == lower(b); })) return &value;
  }
  return nullptr;
}

HeadProgress scan_head(std::string_view bytes, const HttpLimits& limits) {
  HeadProgress progress;
  const size_t skipped = bytes.starts_with("\r\n") ? 2 : 0;  // an empty line before a request is passed over
  size_t line = skipped;
  for (size_t i = skipped; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\0' || (c == '\n' && (i == 0 || bytes[i - 1] != '\r')) ||
        (c != '\n' && i > skipped && bytes[i - 1] == '\r')) {
      progress.fault = bad("expected lines that end in CR LF, without NUL");
      return progress;
    }
    const bool first_line = line == skipped;
    if (first_line && i - line >= limits.request_line) {
      progress.fault = HttpFault{414, "uri_too_long", "HTTP: the request line is too long"};
      return progress;
    }
    if (!first_line && i > limits.head + limits.request_line) break;
    if (c != '\n') continue;
    if (i - line == 1) {
      progress.length = i + 1;
      break;
    }
    line = i + 1;
  }
  const size_t first_end = bytes.find("\r\n", skipped);
  if (first_end != std::string_view::npos) {
    const size_t fields = (progress.length > 0 ? progress.length : bytes.size()) - first_end;
    if (fields > limits.head)
      progress.fault = HttpFault{431, "headers_too_large", "HTTP: the headers are too large"};
  }
  return progress;
}

std::optional<HttpFault> parse_head(std::string_view head, const HttpLimits& limits, ParsedHead& out) {
  if (head.starts_with("\r\n")) head.remove_prefix(2);
  size_t end = head.find("\r\n");
  if (auto fault = parse_request_line(head.substr(0, end), out.request)) return fault;
  head.remove_prefix(end + 2);
  while (!head.starts_with("\r\n")) {
    end = head.find("\r\n");
    if (out.request.fields.size() == limits.fields)
      return HttpFault{431, "headers_too_large", "HTTP: too many headers"};
    if (auto fault = parse_field(head.substr(0, end), out.request.fields)) return fault;
    head.remove_prefix(end + 2);
  }
  if (auto fault = read_framing(out)) return fault;
  out.request.keep_alive = out.request.version == 11;
  if (const std::string* connection = out.request.find("connection")) {
    for (const std::string& item : list_items(*connection)) {
      if (item == "close") out.request.keep_alive = false;
      if (item == "keep-alive" && out.request.version == 10) out.request.keep_alive = true;
    }
  }
  if (const std::string* expect = out.request.find("expect")) {
    if (lowered(*expect) != "100-continue")
      return HttpFault{417, "expectation_failed", "HTTP: expected 100-continue, found another expectation"};
    out.expects_continue = out.request.version == 11;
  }
  if (out.content_length > limits.body)
    return HttpFault{
        413, "request_too_large",
        fmt::format("HTTP: expected at most {} bytes of body, found {}", limits.body, out.content_length)};
  return std::nullopt;
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  const size_t size = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

}  // namespace fathom::server

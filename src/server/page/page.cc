#include "server/page/page.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "base/error.h"
#include "server/page/page_files.h"

namespace fathom::server {
namespace {

// Scripts, styles and fonts of this server alone; nothing inline, nothing framed, no form sent anywhere.
constexpr std::string_view kPolicy =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

struct Type {
  std::string_view extension, name;
  bool compress;
};
constexpr std::array kTypes = {Type{".txt", "text/plain; charset=utf-8", true},
                               Type{".html", "text/html; charset=utf-8", true},
                               Type{".js", "text/javascript; charset=utf-8", true},
                               Type{".css", "text/css; charset=utf-8", true},
                               Type{".svg", "image/svg+xml", true},
                               Type{".ico", "image/x-icon", false},
                               Type{".woff2", "font/woff2", false},
                               Type{".webmanifest", "application/manifest+json", true}};

const Type& type_of(std::string_view path) {
  static constexpr Type kOther{"", "application/octet-stream", false};
  const auto* found =
      std::ranges::find_if(kTypes, [&](const Type& type) { return path.ends_with(type.extension); });
  return found == kTypes.end() ? kOther : *found;
}

std::string_view file_of(std::string_view path) { return path == "/" ? "/index.html" : path; }

std::string gzipped(std::string_view bytes) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzip, 9, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) fail(ErrorCode::internal, "page: expected zlib to finish, found {}", status);
  return out;
}

// Whether an Accept-Encoding takes gzip: named, and not with a weight of zero.
bool takes_gzip(const HttpRequest& request) {
  const std::string* field = request.find("accept-encoding");
  if (!field) return false;
  std::string_view rest = *field;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    std::string coding;
    for (const char c : rest.substr(0, end)) {
      if (c != ' ' && c != '\t') coding += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (coding == "gzip") return true;
    if (coding.starts_with("gzip;q=")) return coding.find_first_not_of("0.", 7) != std::string::npos;
  }
  return false;
}

std::string tag_of(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return fmt::format("{:016x}", hash);
}

// If-None-Match: one of the tags listed, weak or not, or any.
bool has_tag(const HttpRequest& request, const std::string& tag) {
  const std::string* field = request.find("if-none-match");
  return field && (*field == "*" || field->find(tag) != std::string::npos);
}

}  // namespace

struct Page::Entry {
  PageFile file;
  std::string tag;
  mutable std::once_flag packed_once;
  mutable std::string packed;
};

bool is_page_path(std::string_view path) {
  static const std::vector<PageFile> files = page_files();
  if (path == "/index.html") return false;  // its name is "/"
  return std::ranges::any_of(files, [&](const PageFile& file) { return file.path == file_of(path); });
}

Page::Page() {
  const std::vector<PageFile> files = page_files();
  count_ = files.size();
  entries_ = std::make_unique<Entry[]>(count_);
  for (size_t i = 0; i < count_; ++i) {
    entries_[i].file = files[i];
    entries_[i].tag = tag_of(files[i].bytes);
  }
}

Page::~Page() = default;

HttpReply Page::reply(std::string_view path, const HttpRequest& request) const {
  const Entry* entry = std::find_if(entries_.get(), entries_.get() + count_,
                                    [&](const Entry& e) { return e.file.path == file_of(path); });
  if (entry == entries_.get() + count_)
    fail(ErrorCode::internal, "page: expected one of its paths, found another");
  const Type& type = type_of(entry->file.path);
  const bool packed = type.compress && takes_gzip(request);
  const std::string tag = "\"" + entry->tag + (packed ? "-gz" : "") + "\"";
  const bool kept = path.starts_with("/assets/");
  HttpReply reply;
  reply.content_type = type.name;
  reply.fields = {{"etag", tag},
                  {"cache-control", kept ? "public, max-age=31536000, immutable" : "no-cache"},
                  {"content-security-policy", std::string(kPolicy)},
                  {"x-content-type-options", "nosniff"},
                  {"referrer-policy", "no-referrer"},
                  {"cross-origin-opener-policy", "same-origin"}};
  if (type.compress) reply.fields.emplace_back("vary", "Accept-Encoding");
  if (has_tag(request, tag)) {
    reply.status = 304;
    reply.content_type.clear();
    return reply;
  }
  if (packed) {
    std::call_once(entry->packed_once, [&] { entry->packed = gzipped(entry->file.bytes); });
    reply.body = entry->packed;
    reply.fields.emplace_back("content-encoding", "gzip");
  } else {
    reply.body = entry->file.bytes;
  }
  return reply;
}

}  // namespace fathom::server

#pragma once
/// The web page at `/`: files that lie in the program. Nothing here reaches the file system.

#include <memory>
#include <string_view>

#include "server/http/http.h"

namespace fathom::server {

/// Whether `path` is one of the page's: `/`, `/favicon.ico`, or one of its files under `/assets/`.
bool is_page_path(std::string_view path);

class Page {
 public:
  Page();
  ~Page();
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  /// The reply to GET or HEAD of a path that is_page_path() knows: the file, compressed if the client takes
  /// gzip, or 304 if it has it. Files under `/assets/` have a hash in their names and may be kept for ever.
  HttpReply reply(std::string_view path, const HttpRequest& request) const;

 private:
  struct Entry;
  std::unique_ptr<Entry[]> entries_;
  size_t count_ = 0;
};

}  // namespace fathom::server

#pragma once
/// The built web page (web/dist) as it lies in the program. The table is made by cmake/embed_page.cmake.

#include <string_view>
#include <vector>

namespace fathom::server {

struct PageFile {
  std::string_view path;  ///< "/index.html", "/assets/..."
  std::string_view bytes;
};

std::vector<PageFile> page_files();

}  // namespace fathom::server

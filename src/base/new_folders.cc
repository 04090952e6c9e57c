#include "base/new_folders.h"

#include <unistd.h>

#include <system_error>

namespace fathom {

NewFolders::NewFolders(const std::filesystem::path& folder) {
  std::error_code error;
  for (std::filesystem::path path = folder; !path.empty() && !std::filesystem::exists(path, error);
       path = path.parent_path()) {
    missing_.push_back(path);
  }
}

NewFolders::~NewFolders() {
  // rmdir: neither what somebody else has put there nor a link is taken away.
  for (const auto& path : missing_) (void)::rmdir(path.c_str());
}

}  // namespace fathom

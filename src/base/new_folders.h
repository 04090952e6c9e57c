#pragma once
/// Folders made for output that may yet fail.

#include <filesystem>
#include <vector>

namespace fathom {

/// The folders of a path that are not there when this is made: the destructor takes those away again that
/// are empty by then, unless keep() was called.
class NewFolders {
 public:
  explicit NewFolders(const std::filesystem::path& folder);
  ~NewFolders();
  NewFolders(const NewFolders&) = delete;
  NewFolders& operator=(const NewFolders&) = delete;

  void keep() { missing_.clear(); }

 private:
  std::vector<std::filesystem::path> missing_;  // innermost first
};

}  // namespace fathom

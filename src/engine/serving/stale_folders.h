#pragma once
/// Folders of states beside one's own that nobody uses: those of earlier builds and of models no longer
/// served.

#include <cstdint>
#include <filesystem>
#include <vector>

namespace fathom {

/// Holds a folder for this process as long as it lives: others see that its states are in use.
class FolderClaim {
 public:
  /// Does its best: a folder that cannot be locked is merely not protected.
  explicit FolderClaim(const std::filesystem::path& folder);
  ~FolderClaim();
  FolderClaim(const FolderClaim&) = delete;
  FolderClaim& operator=(const FolderClaim&) = delete;

 private:
  int file_ = -1;
};

class StaleFolders {
 public:
  /// Looks at the folders beside `own`: those that hold states and nothing else, and that nobody has claimed.
  explicit StaleFolders(const std::filesystem::path& own);
  /// Of all their files.
  int64_t bytes() const;
  /// Removes the one that was used longest ago, unless somebody has claimed it meanwhile. False: none is
  /// left.
  bool remove_oldest();

 private:
  struct Folder {
    std::filesystem::path path;
    int64_t bytes = 0;
    std::filesystem::file_time_type used;
  };
  std::vector<Folder> folders_;  // the one used longest ago last
};

}  // namespace fathom

#pragma once
/// States on disk, found by the tokens they have read: one file for each, written beside and renamed, with
/// checksums over everything. A file that is damaged, cut short or of another model is a miss and is deleted;
/// a disk that is full costs entries, never an answer. Source: architecture.md section 12.

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/serving/page_index.h"
#include "model/kv_state.h"

namespace fathom {

struct DiskCacheOptions {
  std::filesystem::path folder;
  int64_t max_bytes = int64_t{16} << 30;  ///< of all files; the one used longest ago goes first
  std::string identity;                   ///< of what computed the states: only its files are read
  /// The folders beside this one are other models' and builds' caches: they count, and go first if nobody has
  /// them open.
  bool has_siblings = false;
  int64_t pending_bytes = int64_t{256} << 20;  ///< states that wait to be written; more are not kept
  /// Told once per kind of trouble and minute. May be empty.
  std::function<void(const std::string&)> log;
};

struct DiskCacheStats {
  int64_t bytes = 0, entries = 0, evictions = 0, hits = 0;
  int64_t damaged = 0;        ///< files that were not what was written
  int64_t failed_writes = 0;  ///< for lack of space or another reason
};

class DiskCache {
 public:
  struct Entry : PageIndex::Item {
    explicit Entry(PageIndex::Item item) : PageIndex::Item(std::move(item)) {}
    std::filesystem::path path;
    std::vector<int64_t> held;  ///< positions that the state can be cut to, ascending
    int64_t bytes = 0;          ///< of the file
    uint64_t state_sum = 0;     ///< the checksum that the state must end with
    int64_t last_used = 0;      ///< nanoseconds since 1970
  };

  /// Makes the folder if need be, reads what is in it and removes what a crash left behind.
  /// Throws Error(io) if the folder cannot be used.
  explicit DiskCache(DiskCacheOptions options);
  /// Writes what waits.
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  struct Match {
    std::shared_ptr<const Entry> entry;  ///< null if none. While somebody has it, it is not evicted.
    int64_t tokens = 0;                  ///< what its state can be cut to
    int64_t matched = 0;                 ///< the longest common prefix of any entry
  };
  Match find(const std::string& scope, std::span<const int32_t> ids, int64_t limit) const;
  /// Reads the entry's state into `state`. False: the file is damaged or gone; the entry is no longer there.
  bool load(const Entry& entry, KvState& state);
  /// Has the state written by the cache's own thread. An entry of the same tokens stays as it is.
  void put(const std::string& scope, std::span<const int32_t> ids, const KvState& state);
  /// Waits until all that was put is written.
  void flush();
  DiskCacheStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

#pragma once
/// States of finished and running requests, found by the tokens they have read: a request continues from the
/// longest prefix that is there. Forks share pages (model/kv_state), so an entry costs what it adds. With a
/// folder, states are on disk as well (disk_cache.h) and outlive the process.
/// Source: api.md section 10 of the project's design; architecture.md section 12.

#include <functional>
#include <list>
#include <memory>

#include "engine/serving/disk_cache.h"
#include "engine/serving/page_index.h"
#include "model/kv_state.h"

namespace fathom {

class PrefixCache {
  struct Entry;

 public:
  /// @param max_bytes bound of bytes(); the entry used longest ago goes first
  /// @param disk may be null
  explicit PrefixCache(int64_t max_bytes, std::unique_ptr<DiskCache> disk = nullptr);
  ~PrefixCache();

  struct Found {
    std::unique_ptr<KvState> state;  ///< at `tokens`; null if none
    int64_t tokens = 0;              ///< prefix of the asked tokens that `state` has read
    int64_t matched = 0;  ///< the longest common prefix of any entry; what lies beyond tokens is lost
  };
  /// Makes the empty state that a file's bytes are read into.
  using NewState = std::function<KvState()>;
  /// A state for the longest prefix of `ids` that is there, of at most `limit` tokens.
  Found find(const std::string& scope, std::span<const int32_t> ids, int64_t limit,
             const NewState& new_state);

  /// What a request that waits will take: it is not evicted while this lives.
  struct Reserved {
    std::shared_ptr<const Entry> in_memory;
    std::shared_ptr<const DiskCache::Entry> on_disk;
  };
  Reserved reserve(const std::string& scope, std::span<const int32_t> ids, int64_t limit);

  /// Keeps a fork of `state`, which has read `ids`.
  /// @param to_disk a file is written too, if there is a folder
  void insert(const std::string& scope, std::span<const int32_t> ids, const KvState& state,
              bool to_disk = true);

  int64_t bytes() const { return bytes_; }
  int64_t entries() const { return std::ssize(entries_); }
  int64_t evictions() const { return evictions_; }
  int64_t max_bytes() const { return max_bytes_; }
  DiskCache* disk() const { return disk_.get(); }

 private:
  using Entries = std::list<std::shared_ptr<Entry>>;  // the last used first
  struct Entry : PageIndex::Item {
    Entry(PageIndex::Item item, KvState s, int64_t b)
        : PageIndex::Item(std::move(item)), state(std::move(s)), bytes(b) {}
    KvState state;
    int64_t bytes;
    Entries::iterator place = {};
  };
  struct Match {
    std::shared_ptr<Entry> entry;
    int64_t tokens = 0, matched = 0;
  };
  Match best(const std::string& scope, std::span<const int32_t> ids, int64_t limit) const;
  bool make_room(int64_t size);

  int64_t max_bytes_, bytes_ = 0, evictions_ = 0;
  Entries entries_;
  PageIndex index_;
  std::unique_ptr<DiskCache> disk_;
};

}  // namespace fathom

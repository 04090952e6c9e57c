#pragma once
/// States of finished and running requests, found by the tokens they have read: a request continues from the
/// longest prefix that is there. Forks share pages (model/kv_state), so an entry costs what it adds.
/// Source: api.md section 10 of the project's design.

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/kv_state.h"

namespace fathom {

class PrefixCache {
 public:
  /// @param max_bytes bound of bytes(); the entry used longest ago goes first
  explicit PrefixCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  struct Found {
    std::unique_ptr<KvState> state;  ///< at `tokens`; null if none
    int64_t tokens = 0;              ///< prefix of the asked tokens that `state` has read
    int64_t matched = 0;  ///< the longest common prefix of any entry; what lies beyond tokens is lost
  };
  /// A state for the longest prefix of `ids` that is there, of at most `limit` tokens.
  Found find(const std::string& scope, std::span<const int32_t> ids, int64_t limit);

  /// Keeps a fork of `state`, which has read `ids`.
  void insert(const std::string& scope, std::span<const int32_t> ids, const KvState& state);

  int64_t bytes() const { return bytes_; }
  int64_t entries() const { return static_cast<int64_t>(entries_.size()); }
  int64_t evictions() const { return evictions_; }
  int64_t max_bytes() const { return max_bytes_; }

 private:
  static constexpr int64_t kPage = 128;       // tokens between the positions that are looked up
  static constexpr int64_t kCandidates = 64;  // entries compared token by token
  struct Entry {
    std::string scope;
    std::vector<int32_t> ids;
    std::vector<uint64_t> pages;  // hash of the scope and the first 0, 128, 256, ... tokens
    KvState state;
    int64_t bytes;
  };
  using Entries = std::list<Entry>;  // the last used first
  static std::vector<uint64_t> page_hashes(const std::string& scope, std::span<const int32_t> ids);
  void erase(Entries::iterator entry);

  int64_t max_bytes_, bytes_ = 0, evictions_ = 0;
  Entries entries_;
  std::unordered_map<uint64_t, std::list<Entries::iterator>> by_page_;
};

}  // namespace fathom

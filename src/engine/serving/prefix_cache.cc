#include "engine/serving/prefix_cache.h"

#include <algorithm>

namespace fathom {
namespace {

// Finds entries; what decides is the comparison of the tokens themselves.
uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return end - a.begin();
}

}  // namespace

std::vector<uint64_t> PrefixCache::page_hashes(const std::string& scope, std::span<const int32_t> ids) {
  uint64_t hash = std::hash<std::string>()(scope);
  std::vector<uint64_t> pages{hash};
  for (size_t i = 0; i < ids.size(); ++i) {
    hash = mixed(hash, static_cast<uint64_t>(ids[i]) + 1);
    if ((i + 1) % kPage == 0) pages.push_back(hash);
  }
  return pages;
}

PrefixCache::Found PrefixCache::find(const std::string& scope, std::span<const int32_t> ids, int64_t limit) {
  Found found;
  const std::vector<uint64_t> pages = page_hashes(scope, ids);
  Entries::iterator best = entries_.end();
  for (size_t page = pages.size(); page-- > 0 && found.matched == 0;) {
    const auto bucket = by_page_.find(pages[page]);
    if (bucket == by_page_.end()) continue;
    int64_t candidates = 0;
    for (const Entries::iterator entry : bucket->second) {
      if (++candidates > kCandidates) break;
      if (entry->scope != scope) continue;
      const int64_t common = std::min(common_prefix(ids, entry->ids), limit);
      found.matched = std::max(found.matched, common);
      const int64_t held = entry->state.held(common);
      if (held > found.tokens) {
        found.tokens = held;
        best = entry;
      }
    }
  }
  if (best == entries_.end()) return found;
  entries_.splice(entries_.begin(), entries_, best);
  found.state = std::make_unique<KvState>(best->state.fork());
  found.tokens = found.state->truncate(found.tokens);
  return found;
}

void PrefixCache::erase(Entries::iterator entry) {
  for (const uint64_t page : entry->pages) {
    const auto bucket = by_page_.find(page);
    bucket->second.remove(entry);
    if (bucket->second.empty()) by_page_.erase(bucket);
  }
  bytes_ -= entry->bytes;
  entries_.erase(entry);
}

void PrefixCache::insert(const std::string& scope, std::span<const int32_t> ids, const KvState& state) {
  const int64_t size = state.bytes().total() + static_cast<int64_t>(ids.size_bytes());
  if (ids.empty() || size > max_bytes_) return;
  std::vector<uint64_t> pages = page_hashes(scope, ids);
  const auto bucket = by_page_.find(pages.back());
  if (bucket != by_page_.end()) {
    for (const Entries::iterator entry : bucket->second) {
      if (entry->scope == scope && std::ranges::equal(entry->ids, ids)) {
        entries_.splice(entries_.begin(), entries_, entry);
        return;
      }
    }
  }
  while (!entries_.empty() && bytes_ + size > max_bytes_) {
    erase(std::prev(entries_.end()));
    ++evictions_;
  }
  entries_.push_front({scope, {ids.begin(), ids.end()}, std::move(pages), state.fork(), size});
  bytes_ += size;
  for (const uint64_t page : entries_.front().pages) by_page_[page].push_front(entries_.begin());
}

}  // namespace fathom

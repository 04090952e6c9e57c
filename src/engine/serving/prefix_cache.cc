#include "engine/serving/prefix_cache.h"

#include <algorithm>

namespace fathom {

PrefixCache::PrefixCache(int64_t max_bytes, std::unique_ptr<DiskCache> disk)
    : max_bytes_(max_bytes), disk_(std::move(disk)) {}

PrefixCache::~PrefixCache() = default;

PrefixCache::Match PrefixCache::best(const std::string& scope, std::span<const int32_t> ids,
                                     int64_t limit) const {
  Match match;
  index_.candidates(scope, ids, [&](PageIndex::Item& item, int64_t common) {
    auto& entry = static_cast<Entry&>(item);
    common = std::min(common, limit);
    match.matched = std::max(match.matched, common);
    const int64_t held = entry.state.held(common);
    if (held > match.tokens) {
      match.tokens = held;
      match.entry = *entry.place;
    }
    return match.tokens;
  });
  return match;
}

PrefixCache::Found PrefixCache::find(const std::string& scope, std::span<const int32_t> ids, int64_t limit,
                                     const NewState& new_state) {
  Found found;
  while (disk_) {
    const DiskCache::Match file = disk_->find(scope, ids, limit);
    found.matched = std::max(found.matched, file.matched);
    if (file.tokens <= best(scope, ids, limit).tokens) break;
    KvState state = new_state();
    // A damaged file is gone from the index now: the next best has its turn.
    if (!disk_->load(*file.entry, state)) continue;
    insert(scope, file.entry->ids, state, /*to_disk=*/false);
    found.tokens = state.truncate(file.tokens);
    found.state = std::make_unique<KvState>(std::move(state));
    return found;
  }
  const Match match = best(scope, ids, limit);
  found.matched = std::max(found.matched, match.matched);
  if (!match.entry) return found;
  entries_.splice(entries_.begin(), entries_, match.entry->place);
  found.state = std::make_unique<KvState>(match.entry->state.fork());
  found.tokens = found.state->truncate(match.tokens);
  return found;
}

PrefixCache::Reserved PrefixCache::reserve(const std::string& scope, std::span<const int32_t> ids,
                                           int64_t limit) {
  const Match match = best(scope, ids, limit);
  Reserved reserved{match.entry, nullptr};
  if (disk_) {
    DiskCache::Match file = disk_->find(scope, ids, limit);
    if (file.tokens > match.tokens) reserved.on_disk = std::move(file.entry);
  }
  return reserved;
}

// Takes out what was used longest ago and nobody is about to use.
bool PrefixCache::make_room(int64_t size) {
  for (auto it = entries_.end(); bytes_ + size > max_bytes_ && it != entries_.begin();) {
    --it;
    if (it->use_count() > 1) continue;
    index_.remove(**it);
    bytes_ -= (*it)->bytes;
    it = entries_.erase(it);
    ++evictions_;
  }
  return bytes_ + size <= max_bytes_;
}

void PrefixCache::insert(const std::string& scope, std::span<const int32_t> ids, const KvState& state,
                         bool to_disk) {
  if (ids.empty()) return;
  if (to_disk && disk_) disk_->put(scope, ids, state);
  const int64_t size = state.bytes().total() + static_cast<int64_t>(ids.size_bytes());
  if (size > max_bytes_) return;
  if (auto* const same = static_cast<Entry*>(index_.find_equal(scope, ids))) {
    entries_.splice(entries_.begin(), entries_, same->place);
    return;
  }
  if (!make_room(size)) return;
  entries_.push_front(
      std::make_shared<Entry>(PageIndex::Item{scope, {ids.begin(), ids.end()}}, state.fork(), size));
  entries_.front()->place = entries_.begin();
  bytes_ += size;
  index_.add(*entries_.front());
}

}  // namespace fathom

#include "engine/serving/page_index.h"

#include <algorithm>
#include <unordered_set>

namespace fathom {
namespace {

// Leads to candidates; what decides is the comparison of the tokens themselves.
uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

}  // namespace

std::vector<uint64_t> PageIndex::hashes(const std::string& scope, std::span<const int32_t> ids) {
  uint64_t hash = std::hash<std::string>()(scope);
  std::vector<uint64_t> pages{hash};
  for (size_t i = 0; i < ids.size(); ++i) {
    hash = mixed(hash, static_cast<uint64_t>(ids[i]) + 1);
    if ((i + 1) % kPage == 0) pages.push_back(hash);
  }
  return pages;
}

void PageIndex::add(Item& item) {
  item.pages = hashes(item.scope, item.ids);
  for (const uint64_t page : item.pages) by_page_[page].push_back(&item);
}

void PageIndex::remove(Item& item) {
  for (const uint64_t page : item.pages) {
    const auto bucket = by_page_.find(page);
    std::erase(bucket->second, &item);
    if (bucket->second.empty()) by_page_.erase(bucket);
  }
}

PageIndex::Item* PageIndex::find_equal(const std::string& scope, std::span<const int32_t> ids) const {
  const auto bucket = by_page_.find(hashes(scope, ids).back());
  if (bucket == by_page_.end()) return nullptr;
  for (Item* const item : bucket->second) {
    if (item->scope == scope && std::ranges::equal(item->ids, ids)) return item;
  }
  return nullptr;
}

void PageIndex::candidates(const std::string& scope, std::span<const int32_t> ids, const Visit& visit) const {
  const std::vector<uint64_t> pages = hashes(scope, ids);
  std::unordered_set<const Item*> seen;
  int64_t best = 0;
  for (size_t page = pages.size(); page-- > 0;) {
    // Items that are met from here on share less than the next page.
    if (best >= static_cast<int64_t>(page + 1) * kPage - 1) return;
    const auto bucket = by_page_.find(pages[page]);
    if (bucket == by_page_.end()) continue;
    size_t compared = 0;
    for (auto it = bucket->second.rbegin(); it != bucket->second.rend() && compared < kCandidates; ++it) {
      if ((*it)->scope != scope || !seen.insert(*it).second) continue;
      ++compared;
      const int64_t common = common_prefix(ids, (*it)->ids);
      if (common > 0) best = std::max(best, visit(**it, common));
    }
  }
}

}  // namespace fathom

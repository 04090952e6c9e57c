#pragma once
/// Finds token sequences by what they begin with: a hash of every 128 tokens leads to candidates, which are
/// then compared token by token. What is behind the items (states in memory, files) is the caller's.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace fathom {

class PageIndex {
 public:
  struct Item {
    std::string scope;  ///< sequences are shared within it only
    std::vector<int32_t> ids;
    std::vector<uint64_t> pages = {};  ///< set by add(): hash of the scope and the first 0, 128, ... tokens
  };

  /// The item must stay where it is until remove().
  void add(Item& item);
  void remove(Item& item);
  /// The item of exactly these tokens; null if there is none.
  Item* find_equal(const std::string& scope, std::span<const int32_t> ids) const;

  /// Calls visit(item, common) for items that share `common` > 0 tokens with ids, longer ones first page by
  /// page, until `visit` returns at least as many tokens as any item left can share.
  using Visit = std::function<int64_t(Item& item, int64_t common)>;
  void candidates(const std::string& scope, std::span<const int32_t> ids, const Visit& visit) const;

 private:
  static constexpr int64_t kPage = 128;      // tokens between the positions that are looked up
  static constexpr size_t kCandidates = 64;  // items of a page that are compared
  static std::vector<uint64_t> hashes(const std::string& scope, std::span<const int32_t> ids);
  std::unordered_map<uint64_t, std::vector<Item*>> by_page_;  // the last added at the end
};

}  // namespace fathom

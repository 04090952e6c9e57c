#pragma once
/// API keys: kept as keyed hashes, found by hash, compared in constant time. Source: api.md section 1.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/price.h"
#include "engine/serving/request.h"

namespace fathom::server {

struct KeyEntry {
  std::string id;
  bool inference = true, metrics = false, admin = false;
  std::vector<std::string> models;                         ///< allowed; empty: all
  int64_t concurrency = 0;                                 ///< requests at once; 0: no limit
  int64_t requests_per_minute = 0, tokens_per_minute = 0;  ///< 0: no limit
  Priority priority = Priority::high;                      ///< the highest that it is given
  std::optional<Picos> balance;                            ///< what it may spend in all; nothing: no limit
};

/// An amount of money, to six decimals.
Picos to_picos(double amount);

class Keys {
 public:
  /// Reads a key file (TOML): `salt`, and for each [[key]] id, hash, scopes, models, concurrency,
  /// requests_per_minute, tokens_per_minute, priority (high, normal, low), balance.
  /// Throws Error naming file and field.
  static std::unique_ptr<Keys> open(const std::filesystem::path& path);
  /// Adds a new key to the file, which is made if there is none, and returns the key: it is kept nowhere
  /// else.
  static std::string add(const std::filesystem::path& path, const KeyEntry& entry);

  /// The entry of a key; null if it is none.
  const KeyEntry* find(std::string_view key) const;
  const std::vector<KeyEntry>& entries() const { return entries_; }

 private:
  std::string salt_;
  std::vector<KeyEntry> entries_;
  std::vector<std::string> hashes_;  // of entries_, 32 bytes each
};

}  // namespace fathom::server

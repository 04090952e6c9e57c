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

namespace fathom::server {

struct KeyEntry {
  std::string id;
  bool inference = true, metrics = false, admin = false;
  std::vector<std::string> models;  ///< allowed; empty: all
  int64_t concurrency = 0;          ///< requests at once; 0: no limit
  std::optional<Picos> balance;     ///< what it may spend in all; nothing: no limit
};

class Keys {
 public:
  /// Reads a key file (TOML): `salt`, and for each [[key]] id, hash, scopes, models, concurrency, balance.
  /// Throws Error naming file and field.
  static std::unique_ptr<Keys> open(const std::filesystem::path& path);
  /// Adds a new key to the file, which is made if there is none, and returns the key: it is kept nowhere
  /// else.
  static std::string add(const std::filesystem::path& path, const std::string& id);

  /// The entry of a key; null if it is none.
  const KeyEntry* find(std::string_view key) const;
  const std::vector<KeyEntry>& entries() const { return entries_; }

 private:
  std::string salt_;
  std::vector<KeyEntry> entries_;
  std::vector<std::string> hashes_;  // of entries_, 32 bytes each
};

}  // namespace fathom::server

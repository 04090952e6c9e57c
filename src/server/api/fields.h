#pragma once
/// Reading a request's fields: every accessor throws ApiError 400 naming the path; whatever nobody asked for
/// is noted as ignored.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/api_error.h"

namespace fathom::server {

/// Paths that were accepted and have no effect; `fathom.ignored` of the answer.
class IgnoredFields {
 public:
  static constexpr size_t kMost = 32;
  void add(const std::string& path) {
    if (paths_.size() < kMost) paths_.push_back(path);
  }
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::vector<std::string> paths_;
};

class Fields {
 public:
  /// Throws if `value` is no object. `path` is empty for the body.
  Fields(const JsonValue& value, std::string path, IgnoredFields& ignored);

  const std::string& path() const { return path_; }
  std::string path(std::string_view key) const;
  /// The member; nullptr if it is absent or null. Marks it as read.
  const JsonValue* get(std::string_view key);
  /// As get(), but null counts as there.
  const JsonValue* get_raw(std::string_view key);
  bool has(std::string_view key) { return get(key) != nullptr; }

  std::optional<std::string> text(std::string_view key);
  std::string required_text(std::string_view key);
  std::optional<bool> flag(std::string_view key);
  std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high);
  std::optional<double> number(std::string_view key, double low, double high);
  std::optional<Fields> object(std::string_view key);
  /// The elements with their paths; nothing if absent. At most `most`.
  struct Item {
    const JsonValue* value;
    std::string path;
  };
  std::optional<std::vector<Item>> list(std::string_view key, size_t most);

  /// As list(), none if absent.
  std::vector<Item> items(std::string_view key, size_t most) {
    auto found = list(key, most);
    return found ? std::move(*found) : std::vector<Item>();
  }

  /// Accepted without being looked at; listed where present.
  void ignore(std::initializer_list<std::string_view> keys);
  /// Accepted and not worth a word: there is nothing it could have changed.
  void accept(std::initializer_list<std::string_view> keys);
  /// 400 if it is there and not null: it would be silently wrong.
  void reject(std::string_view key, std::string_view why);
  /// Whatever was not asked for is noted as ignored.
  void finish();
  IgnoredFields& ignored() const { return *ignored_; }

 private:
  const JsonValue* value_;
  std::string path_;
  IgnoredFields* ignored_;
  std::set<std::string, std::less<>> known_;
};

/// The client's value for a message: at most 64 bytes, control characters escaped.
std::string quoted(const JsonValue& value);

}  // namespace fathom::server

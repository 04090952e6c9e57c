#pragma once
/// Reading JSON from outside: a bounded parser and field access whose errors name path, expected and found.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

/// Parses one JSON document. Throws Error(bad_input) for a syntax error, a number that overflows, bytes after
/// the value, nesting deeper than max_depth or a text longer than max_bytes.
nlohmann::json parse_json(std::string_view text, int max_depth = 64, size_t max_bytes = size_t{16} << 20);

/// One value inside a parsed document, with its path ("rope_parameters.main.rope_theta") for messages.
/// Borrowed: the document must outlive it. Every accessor throws Error(bad_input) "path: expected X, found
/// Y".
class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  const nlohmann::json& json() const { return *value_; }

  /// The member `key`; nullopt if it is absent or null. This value must be an object.
  std::optional<JsonField> find(const char* key) const;
  /// The member `key`; absent or null is an error.
  JsonField at(const char* key) const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;

  /// An integer in [low, high]; a float with an integral value counts (4096.0).
  int64_t integer(int64_t low, int64_t high) const;
  /// A finite number in [low, high].
  double number(double low, double high) const;
  bool boolean() const;
  std::string text() const;
  /// The elements of an array of at most max_size.
  std::vector<JsonField> elements(size_t max_size) const;

  /// Throws "path: expected EXPECTED, found THIS".
  [[noreturn]] void refuse(std::string_view expected) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace fathom

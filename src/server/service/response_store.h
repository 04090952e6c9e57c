#pragma once
/// Stored responses: what GET /v1/responses/{id} gives and previous_response_id goes on from. SQLite, in a
/// file or in memory; a thread of its own writes, and what it has not written yet is found all the same.
/// Source: api.md section 2.3.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "text/python_json.h"

namespace fathom::server {

struct ResponseStoreOptions {
  bool off = false;                  ///< nothing is kept
  std::filesystem::path path;        ///< empty: in memory, until the server ends
  double seconds = 86'400;           ///< after which a response is gone
  int64_t bytes = int64_t{1} << 30;  ///< of all; the oldest go first
};

struct StoredResponse {
  std::string id, key;
  int64_t created = 0;     ///< Unix seconds
  JsonValue::Array input;  ///< every item, those of earlier responses first
  JsonValue body;          ///< the response object
};

class ResponseStore {
 public:
  /// Throws Error(io).
  explicit ResponseStore(const ResponseStoreOptions& options);
  ~ResponseStore();

  /// Found by find() at once.
  void put(StoredResponse response);
  /// Of this key's own.
  std::optional<StoredResponse> find(const std::string& key, const std::string& id) const;
  /// False: there was none.
  bool erase(const std::string& key, const std::string& id);
  /// An item of one of the key's responses, input or output.
  std::optional<JsonValue> find_item(const std::string& key, const std::string& item_id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::server

#include "server/service/response_store.h"

#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/service/sqlite.h"

namespace fathom::server {
namespace {

constexpr int kNesting = 256;  // of JSON that was read from requests and answers
constexpr size_t kHexDigits = 32;

std::string input_text(const StoredResponse& response) { return compact_json(response.input); }

}  // namespace

struct ResponseStore::State {
  explicit State(const ResponseStoreOptions& o)
      : options(o),
        db(o.path.empty() ? std::filesystem::path(":memory:") : o.path, Database::Mode::create,
           "response store") {}

  ResponseStoreOptions options;
  mutable std::mutex db_mutex;  // one connection, used by one at a time
  Database db;
  int64_t bytes = 0;    // of all rows; guarded by db_mutex
  bool recount = true;  // they are not known; guarded by db_mutex

  mutable std::mutex mutex;  // guards all below; may be taken with db_mutex held, not the other way
  std::condition_variable changed;
  std::deque<std::shared_ptr<const StoredResponse>> waiting;  // to be written
  bool stop = false;
  std::thread thread;

  int64_t oldest() const {
    return static_cast<int64_t>(std::time(nullptr)) - static_cast<int64_t>(options.seconds);
  }

  void drop(const char* which, int64_t value) {
    Statement sum(db, fmt::format("SELECT COALESCE(SUM(bytes),0) FROM responses WHERE {}", which).c_str());
    if (sum.bind(value).step()) bytes -= sum.integer(0);
    Statement(db, fmt::format("DELETE FROM responses WHERE {}", which).c_str()).bind(value).step();
  }
  void count_bytes() {
    Statement sum(db, "SELECT COALESCE(SUM(bytes),0) FROM responses");
    if (sum.step()) bytes = sum.integer(0);
  }
  void write(const StoredResponse& r) {
    const std::string input = input_text(r), body = compact_json(r.body);
    const auto size = static_cast<int64_t>(input.size() + body.size());
    db.transaction([&] {
      drop("created<?", oldest());
      if (size > options.bytes) return;
      while (bytes + size > options.bytes) {  // the oldest by their ids, which grow with time
        Statement first(db, "SELECT rowid FROM responses ORDER BY created, id LIMIT 1");
        if (!first.step()) break;
        drop("rowid=?", first.integer(0));
      }
      Statement(db, "INSERT OR REPLACE INTO responses VALUES(?,?,?,?,?,?)")
          .bind(r.id)
          .bind(r.key)
          .bind(r.created)
          .bind(size)
          .bind(input)
          .bind(body)
          .step();
      bytes += size;
    });
  }
  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stop || !waiting.empty(); });
      if (waiting.empty()) return;
      const std::shared_ptr<const StoredResponse> next = waiting.front();
      lock.unlock();
      {
        const std::lock_guard db_lock(db_mutex);
        try {
          if (std::exchange(recount, false)) count_bytes();
          write(*next);
        } catch (const Error&) {  // a full disk keeps no responses
          recount = true;
        }
        // It is found here or there: whoever looks holds db_mutex as well.
        lock.lock();
        if (!waiting.empty() && waiting.front() == next) waiting.pop_front();
      }
    }
  }
};

ResponseStore::ResponseStore(const ResponseStoreOptions& options) : state_(std::make_unique<State>(options)) {
  // A lost response is asked for again: no sync for each.
  state_->db.execute(
      "PRAGMA synchronous=NORMAL;"
      "CREATE TABLE IF NOT EXISTS responses(id TEXT PRIMARY KEY, key_id TEXT, created INTEGER, bytes INTEGER,"
      "input TEXT, body TEXT);"
      "CREATE INDEX IF NOT EXISTS responses_by_time ON responses(created);");
  state_->thread = std::thread([this] { state_->run(); });
}

ResponseStore::~ResponseStore() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

void ResponseStore::put(StoredResponse response) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.push_back(std::make_shared<const StoredResponse>(std::move(response)));
  }
  state_->changed.notify_all();
}

std::optional<StoredResponse> ResponseStore::find(const std::string& key, const std::string& id) const {
  const std::lock_guard db_lock(state_->db_mutex);
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& one : state_->waiting) {
      if (one->id == id && one->key == key) return *one;
    }
  }
  Statement s(state_->db,
              "SELECT created, input, body FROM responses WHERE id=? AND key_id=? AND created>=?");
  if (!s.bind(id).bind(key).bind(state_->oldest()).step()) return std::nullopt;
  StoredResponse found;
  found.id = id;
  found.key = key;
  found.created = s.integer(0);
  found.input = *parse_json_value(s.text(1), JsonDialect::python, kNesting).as_array();
  found.body = parse_json_value(s.text(2), JsonDialect::python, kNesting);
  return found;
}

bool ResponseStore::erase(const std::string& key, const std::string& id) {
  const std::lock_guard db_lock(state_->db_mutex);
  bool found = false;
  {
    const std::lock_guard lock(state_->mutex);
    found =
        std::erase_if(state_->waiting, [&](const auto& one) { return one->id == id && one->key == key; }) > 0;
  }
  Statement size(state_->db, "SELECT bytes FROM responses WHERE id=? AND key_id=? AND created>=?");
  if (!size.bind(id).bind(key).bind(state_->oldest()).step()) return found;
  const int64_t bytes = size.integer(0);
  Statement(state_->db, "DELETE FROM responses WHERE id=? AND key_id=?").bind(id).bind(key).step();
  state_->bytes -= bytes;
  return true;
}

std::optional<JsonValue> ResponseStore::find_item(const std::string& key, const std::string& item_id) const {
  // kind_HEX_index: its response is resp_HEX.
  const size_t begin = item_id.find('_');
  if (begin == std::string::npos || item_id.size() < begin + 1 + kHexDigits) return std::nullopt;
  const auto response = find(key, "resp_" + item_id.substr(begin + 1, kHexDigits));
  if (!response) return std::nullopt;
  const auto is_it = [&](const JsonValue& item) {
    const JsonValue* id = item.find("id");
    return id && id->as_string() && *id->as_string() == item_id;
  };
  for (const JsonValue& item : response->input) {
    if (is_it(item)) return item;
  }
  const JsonValue* output = response->body.find("output");
  if (output && output->as_array()) {
    for (const JsonValue& item : *output->as_array()) {
      if (is_it(item)) return item;
    }
  }
  return std::nullopt;
}

}  // namespace fathom::server

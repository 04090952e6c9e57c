#include "server/service/ledger.h"

#include <sqlite3.h>

#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace fathom::server {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS requests("
    "request_id TEXT PRIMARY KEY, created INTEGER, finished INTEGER, key_id TEXT, user_id TEXT, route TEXT,"
    "model TEXT, status TEXT, code INTEGER, prompt INTEGER, cached INTEGER, completion INTEGER, reasoning "
    "INTEGER,"
    "input INTEGER, cached_input INTEGER, output INTEGER, total INTEGER, seconds REAL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS spent(key_id TEXT PRIMARY KEY, total INTEGER) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS requests_by_key ON requests(key_id, created);";

struct Closer {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class Statement {
 public:
  Statement(sqlite3* db, const char* sql) : db_(db) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) refuse();
    statement_.reset(raw);
  }
  Statement& bind(const std::string& text) {
    sqlite3_bind_text(statement_.get(), ++at_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int64_t value) {
    sqlite3_bind_int64(statement_.get(), ++at_, value);
    return *this;
  }
  Statement& bind(double value) {
    sqlite3_bind_double(statement_.get(), ++at_, value);
    return *this;
  }
  bool step() {
    const int status = sqlite3_step(statement_.get());
    if (status != SQLITE_ROW && status != SQLITE_DONE) refuse();
    return status == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    return bytes ? bytes : "";
  }
  int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  double real(int column) const { return sqlite3_column_double(statement_.get(), column); }

 private:
  [[noreturn]] void refuse() const {
    fail(ErrorCode::io, "ledger: expected to write, found: {}", sqlite3_errmsg(db_));
  }
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, Closer> statement_;
  int at_ = 0;
};

}  // namespace

struct Ledger::State {
  std::unique_ptr<sqlite3, Closer> db;
  mutable std::mutex db_mutex;  // one connection, used by one at a time

  std::mutex mutex;
  std::condition_variable changed;
  struct Work {
    JobReport report;
    bool ends;
    uint64_t number;
    std::function<void()> told;  ///< when it is on disk
  };
  std::deque<Work> work;
  uint64_t submitted = 0, written = 0;
  bool stop = false;
  std::string failure;
  std::thread thread;

  void execute(const char* sql) const {
    char* message = nullptr;
    if (sqlite3_exec(db.get(), sql, nullptr, nullptr, &message) == SQLITE_OK) return;
    const std::string text = message ? message : "an error";
    sqlite3_free(message);
    fail(ErrorCode::io, "ledger: expected to write, found: {}", text);
  }
  void insert(const JobReport& r) const {
    Statement(db.get(), "INSERT OR IGNORE INTO requests VALUES(?,?,0,?,?,?,?,'running',0,?,?,0,0,?,?,0,?,0)")
        .bind(r.request_hex)
        .bind(r.created)
        .bind(r.key)
        .bind(r.user)
        .bind(r.route)
        .bind(r.model)
        .bind(r.stats.prompt_tokens)
        .bind(r.stats.cached_tokens)
        .bind(r.price.input)
        .bind(r.price.cached_input)
        .bind(r.price.total)
        .step();
  }
  void charge(const std::string& key, Picos total) const {
    Statement(
        db.get(),
        "INSERT INTO spent VALUES(?,?) ON CONFLICT(key_id) DO UPDATE SET total = total + excluded.total")
        .bind(key)
        .bind(total)
        .step();
  }
  void complete(const JobReport& r) const {
    Statement(
        db.get(),
        "UPDATE requests SET finished=?, status=?, code=?, prompt=?, cached=?, completion=?, reasoning=?,"
        "input=?, cached_input=?, output=?, total=?, seconds=? WHERE request_id=? AND status='running'")
        .bind(static_cast<int64_t>(std::time(nullptr)))
        .bind(r.status)
        .bind(static_cast<int64_t>(r.code))
        .bind(r.stats.prompt_tokens)
        .bind(r.stats.cached_tokens)
        .bind(r.stats.completion_tokens)
        .bind(r.stats.reasoning_tokens)
        .bind(r.price.input)
        .bind(r.price.cached_input)
        .bind(r.price.output)
        .bind(r.price.total)
        .bind(r.stats.engine_seconds)
        .bind(r.request_hex)
        .step();
    if (sqlite3_changes(db.get()) > 0) charge(r.key, r.price.total);
  }
  // Rows of a process that is gone.
  void settle_aborted() const {
    execute("BEGIN IMMEDIATE");
    execute(
        "INSERT INTO spent SELECT key_id, SUM(total) FROM requests WHERE status='running' GROUP BY key_id "
        "ON CONFLICT(key_id) DO UPDATE SET total = total + excluded.total;"
        "UPDATE requests SET status='aborted', finished=strftime('%s','now') WHERE status='running';");
    execute("COMMIT");
  }
  void write(const std::deque<Work>& batch) const {
    const std::lock_guard lock(db_mutex);
    execute("BEGIN IMMEDIATE");
    try {
      for (const Work& w : batch) w.ends ? complete(w.report) : insert(w.report);
      execute("COMMIT");
    } catch (...) {
      sqlite3_exec(db.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }
  void run() {
    for (;;) {
      std::deque<Work> batch;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stop || !work.empty(); });
        if (work.empty()) return;
        batch.swap(work);
      }
      std::string error;
      try {
        write(batch);
      } catch (const std::exception& e) {
        error = e.what();
      }
      {
        const std::lock_guard lock(mutex);
        written = batch.back().number;
        failure = error;
        changed.notify_all();
      }
      for (const Work& w : batch) {
        if (w.told) w.told();
      }
    }
  }
  uint64_t submit(const JobReport& report, bool ends, std::function<void()> told = {}) {
    const std::lock_guard lock(mutex);
    work.push_back({report, ends, ++submitted, std::move(told)});
    changed.notify_all();
    return submitted;
  }
};

Ledger::Ledger(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  sqlite3* raw = nullptr;
  const int status = sqlite3_open(path.c_str(), &raw);
  state_->db.reset(raw);
  if (status != SQLITE_OK)
    fail(ErrorCode::io, "{}: expected a ledger, found: {}", printable(path.string()),
         raw ? sqlite3_errmsg(raw) : "an error");
  sqlite3_busy_timeout(raw, 10'000);
  in_context(printable(path.string()), [&] {
    state_->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    state_->execute(kSchema);
    state_->settle_aborted();
  });
  state_->thread = std::thread([this] { state_->run(); });
}

Ledger::~Ledger() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

void Ledger::begin(const JobReport& report) {
  const uint64_t number = state_->submit(report, false);
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->written >= number; });
  if (!state_->failure.empty()) fail(ErrorCode::io, "{}", state_->failure);
}

void Ledger::finish(const JobReport& report, std::function<void()> written) {
  state_->submit(report, true, std::move(written));
}

Picos Ledger::spent(const std::string& key) const {
  const std::lock_guard lock(state_->db_mutex);
  Statement done(state_->db.get(), "SELECT total FROM spent WHERE key_id=?");
  Picos total = done.bind(key).step() ? done.integer(0) : 0;
  Statement runs(state_->db.get(),
                 "SELECT COALESCE(SUM(total),0) FROM requests WHERE key_id=? AND status='running'");
  if (runs.bind(key).step()) total += runs.integer(0);
  return total;
}

std::vector<LedgerRow> Ledger::rows(const LedgerQuery& q) const {
  const std::lock_guard lock(state_->db_mutex);
  Statement s(
      state_->db.get(),
      "SELECT request_id, created, finished, key_id, user_id, route, model, status, code, prompt, cached,"
      "completion, reasoning, input, cached_input, output, total, seconds FROM requests WHERE "
      "(?1='' OR key_id=?1) AND created>=?2 AND created<?3 AND (?4='' OR model=?4) AND (?5='' OR status=?5) "
      "AND (?6='' OR user_id=?6) AND (?7='' OR request_id<?7) ORDER BY request_id DESC LIMIT ?8");
  s.bind(q.key).bind(q.since).bind(q.until).bind(q.model).bind(q.status).bind(q.user).bind(q.before).bind(
      q.limit);
  std::vector<LedgerRow> rows;
  while (s.step()) {
    LedgerRow row;
    JobReport& r = row.report;
    r.request_hex = s.text(0);
    r.created = s.integer(1);
    row.finished = s.integer(2);
    r.key = s.text(3);
    r.user = s.text(4);
    r.route = s.text(5);
    r.model = s.text(6);
    r.status = s.text(7);
    r.code = static_cast<int>(s.integer(8));
    r.stats.prompt_tokens = s.integer(9);
    r.stats.cached_tokens = s.integer(10);
    r.stats.completion_tokens = s.integer(11);
    r.stats.reasoning_tokens = s.integer(12);
    r.price.input = s.integer(13);
    r.price.cached_input = s.integer(14);
    r.price.output = s.integer(15);
    r.price.total = s.integer(16);
    r.stats.engine_seconds = s.real(17);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace fathom::server

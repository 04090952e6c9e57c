#include "server/service/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace fathom::server {
namespace {

// A ledger has one server: another would take its running rows for those of a crash.
class Owner {
 public:
  explicit Owner(const std::filesystem::path& path)
      : file_(::open((path.string() + "-server").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    const std::string where = printable(path.string());
    if (file_ < 0) fail(ErrorCode::io, "{}: expected to make {}-server, found an error", where, where);
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    ::close(file_);
    fail(ErrorCode::io, "{}: expected a ledger that no server uses, found one that runs", where);
  }
  ~Owner() { ::close(file_); }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

 private:
  int file_;
};

}  // namespace

struct Ledger::State {
  explicit State(const std::filesystem::path& path)
      : owner(path), db(path, Database::Mode::create, "ledger") {}
  Owner owner;
  Database db;
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

  void insert(const JobReport& r) const {
    Statement(db, "INSERT OR IGNORE INTO requests VALUES(?,?,0,?,?,?,?,'running',0,?,?,0,0,?,?,0,?,0)")
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
        db, "INSERT INTO spent VALUES(?,?) ON CONFLICT(key_id) DO UPDATE SET total = total + excluded.total")
        .bind(key)
        .bind(total)
        .step();
  }
  void complete(const JobReport& r) const {
    Statement(
        db,
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
    if (db.changes() > 0) charge(r.key, r.price.total);
  }
  // All amounts of a ledger are of one currency.
  void settle_currency(const std::string& currency) const {
    const bool empty = [&] {
      Statement any(db, "SELECT 1 FROM requests UNION ALL SELECT 1 FROM credits LIMIT 1");
      return !any.step();
    }();
    if (!empty && ledger_currency(db) != currency) {
      bad_input("ledger: expected prices in {}, as its rows are, found {} (take another file)",
                printable(ledger_currency(db), 16), printable(currency, 16));
    }
    Statement(db, "INSERT OR REPLACE INTO facts VALUES('currency',?)").bind(currency).step();
  }
  // Rows of a process that is gone.
  void settle_aborted() const {
    db.execute(
        "INSERT INTO spent SELECT key_id, SUM(total) FROM requests WHERE status='running' GROUP BY key_id "
        "ON CONFLICT(key_id) DO UPDATE SET total = total + excluded.total;"
        "UPDATE requests SET status='aborted', finished=strftime('%s','now') WHERE status='running';");
  }
  void write(const std::deque<Work>& batch) const {
    const std::lock_guard lock(db_mutex);
    db.transaction([&] {
      for (const Work& w : batch) w.ends ? complete(w.report) : insert(w.report);
    });
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

Ledger::Ledger(const std::filesystem::path& path, const std::string& currency)
    : state_(std::make_unique<State>(path)) {
  in_context(printable(path.string()), [&] {
    state_->db.transaction([&] {
      make_ledger_tables(state_->db);
      state_->settle_currency(currency);
      state_->settle_aborted();
    });
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

uint64_t Ledger::submit(const JobReport& report) { return state_->submit(report, false); }

void Ledger::begin(const JobReport& report) { wait(submit(report)); }

void Ledger::wait(uint64_t number) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->written >= number; });
  if (!state_->failure.empty()) fail(ErrorCode::io, "{}", state_->failure);
}

void Ledger::finish(const JobReport& report, std::function<void()> written) {
  state_->submit(report, true, std::move(written));
}

Picos Ledger::spent(const std::string& key) const {
  const LedgerBalance balance = this->balance(key);
  return balance.spent + balance.running;
}

LedgerBalance Ledger::balance(const std::string& key) const {
  {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&, number = state_->submitted] { return state_->written >= number; });
  }
  const std::lock_guard lock(state_->db_mutex);
  return ledger_balance(state_->db, key);
}

std::vector<LedgerRow> Ledger::rows(const LedgerQuery& query) const {
  const std::lock_guard lock(state_->db_mutex);
  return ledger_rows(state_->db, query);
}

std::vector<LedgerSum> Ledger::sums(const LedgerQuery& query, std::span<const LedgerGrouping> by) const {
  const std::lock_guard lock(state_->db_mutex);
  return ledger_sums(state_->db, query, by);
}

}  // namespace fathom::server

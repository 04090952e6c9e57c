#include "server/service/sqlite.h"

#include <sqlite3.h>

#include "base/error.h"

namespace fathom::server {

Database::Database(const std::filesystem::path& path, Mode mode, std::string what) : what_(std::move(what)) {
  const std::string where = printable(path.string());
  if (mode != Mode::create && !std::filesystem::exists(path))
    fail(ErrorCode::not_found, "{}: expected a {}, found no file", where, what_);
  const int flags = mode == Mode::create     ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                    : mode == Mode::existing ? SQLITE_OPEN_READWRITE
                                             : SQLITE_OPEN_READONLY;
  if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
    const std::string found = db_ ? sqlite3_errmsg(db_) : "an error";
    sqlite3_close_v2(db_);
    fail(ErrorCode::io, "{}: expected a {}, found: {}", where, what_, found);
  }
  sqlite3_busy_timeout(db_, 10'000);
  if (mode == Mode::read_only) return;
  try {
    in_context(where, [&] { execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"); });
  } catch (...) {
    sqlite3_close_v2(db_);
    throw;
  }
}

Database::~Database() { sqlite3_close_v2(db_); }

void Database::execute(const char* sql) const {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) refuse();
}

void Database::roll_back() const noexcept { sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr); }

int64_t Database::changes() const { return sqlite3_changes(db_); }

void Database::refuse() const {
  fail(ErrorCode::io, "{}: expected to read and write, found: {}", what_, sqlite3_errmsg(db_));
}

Statement::Statement(const Database& db, const char* sql) : db_(db) {
  if (sqlite3_prepare_v2(db.db_, sql, -1, &statement_, nullptr) != SQLITE_OK) db.refuse();
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(std::string_view text) {
  // A null pointer would be NULL, not an empty text.
  sqlite3_bind_text64(statement_, ++at_, text.data() ? text.data() : "", text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(int64_t value) {
  sqlite3_bind_int64(statement_, ++at_, value);
  return *this;
}

Statement& Statement::bind(double value) {
  sqlite3_bind_double(statement_, ++at_, value);
  return *this;
}

bool Statement::step() {
  const int status = sqlite3_step(statement_);
  if (status != SQLITE_ROW && status != SQLITE_DONE) db_.refuse();
  return status == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes ? std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column))) : "";
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

}  // namespace fathom::server

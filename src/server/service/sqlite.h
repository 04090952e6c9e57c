#pragma once
/// SQLite as the service uses it: files with a write-ahead log and full syncs, statements with values bound
/// in their order. SQLite's own header stays in sqlite.cc.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace fathom::server {

/// One connection; used by one thread at a time.
class Database {
 public:
  enum class Mode { create, existing, read_only };
  /// @param what it holds, for messages: "ledger". Throws Error(not_found, io).
  Database(const std::filesystem::path& path, Mode mode, std::string what);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Statements without values. Throws Error(io).
  void execute(const char* sql) const;
  /// Runs `work` in one transaction, all of it or nothing.
  template <class Work>
  void transaction(const Work& work) const {
    execute("BEGIN IMMEDIATE");
    try {
      work();
      execute("COMMIT");
    } catch (...) {
      roll_back();
      throw;
    }
  }
  /// Rows that the last statement changed.
  int64_t changes() const;

 private:
  friend class Statement;
  void roll_back() const noexcept;
  [[noreturn]] void refuse() const;
  sqlite3* db_ = nullptr;
  std::string what_;
};

class Statement {
 public:
  Statement(const Database& db, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  /// The next value.
  Statement& bind(std::string_view text);
  Statement& bind(int64_t value);
  Statement& bind(double value);
  /// True: there is a row. Throws Error(io).
  bool step();
  std::string text(int column) const;
  int64_t integer(int column) const;
  double real(int column) const;

 private:
  const Database& db_;
  sqlite3_stmt* statement_ = nullptr;
  int at_ = 0;
};

}  // namespace fathom::server

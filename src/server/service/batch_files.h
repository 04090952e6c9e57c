#pragma once
/// The files of a batch: lines as they come, and lines that stay.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace fathom::server {

/// Lines of a file, without their ends.
class LineFile {
 public:
  /// Throws Error naming the path.
  LineFile(const std::filesystem::path& path, int64_t most_bytes);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  struct Line {
    std::string text;
    bool too_long = false;  ///< text is its beginning
    bool whole = true;      ///< it had an end; else it is the last
    int64_t end = 0;        ///< bytes of the file up to its end
  };
  std::optional<Line> next();
  void rewind();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The output: what earlier runs have answered, and where lines are appended.
class BatchOutput {
 public:
  /// Opens or makes it, reads what is there and cuts a torn last line off. Throws Error.
  explicit BatchOutput(const std::filesystem::path& path);
  ~BatchOutput();
  BatchOutput(const BatchOutput&) = delete;
  BatchOutput& operator=(const BatchOutput&) = delete;

  bool has(const std::string& custom_id) const { return ids_.contains(custom_id); }
  /// Of a line without an id.
  bool has_line(int64_t number) const { return numbers_.contains(number); }
  /// Returns when the lines are on disk. Throws Error(io).
  void append(const std::string& lines);

 private:
  void read_old(const std::filesystem::path& path);
  std::string where_;
  int file_ = -1;
  std::set<std::string> ids_;
  std::set<int64_t> numbers_;
};

}  // namespace fathom::server

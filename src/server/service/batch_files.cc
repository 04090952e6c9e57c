#include "server/service/batch_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "text/python_json.h"

namespace fathom::server {
namespace {

constexpr int64_t kMostOutputLine = int64_t{1} << 30;

std::string last_error() { return std::generic_category().message(errno); }

}  // namespace

struct LineFile::State {
  std::string where;
  int64_t most_bytes = 0, at = 0;
  std::FILE* file = nullptr;
};

LineFile::LineFile(const std::filesystem::path& path, int64_t most_bytes)
    : state_(std::make_unique<State>()) {
  state_->where = printable(path.string());
  state_->most_bytes = most_bytes;
  if (std::filesystem::is_directory(path))
    fail(ErrorCode::io, "{}: expected a file, found a folder", state_->where);
  state_->file = std::fopen(path.c_str(), "rbe");
  if (!state_->file)
    fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io, "{}: expected a file, found: {}",
         state_->where, last_error());
}

LineFile::~LineFile() { (void)std::fclose(state_->file); }

std::optional<LineFile::Line> LineFile::next() {
  Line line;
  State& s = *state_;
  const int64_t begin = s.at;
  for (int c = 0; (c = ::getc_unlocked(s.file)) != EOF;) {
    ++s.at;
    if (c == '\n') {
      line.end = s.at;
      return line;
    }
    if (std::ssize(line.text) < s.most_bytes) {
      line.text += static_cast<char>(c);
    } else {
      line.too_long = true;
    }
  }
  if (std::ferror(s.file) != 0) fail(ErrorCode::io, "{}: expected to read, found an error", s.where);
  if (s.at == begin) return std::nullopt;
  line.whole = false;
  line.end = s.at;
  return line;
}

void LineFile::rewind() {
  if (std::fseek(state_->file, 0, SEEK_SET) != 0)
    fail(ErrorCode::io, "{}: expected a file that can be read twice, found: {}", state_->where, last_error());
  state_->at = 0;
}

BatchOutput::BatchOutput(const std::filesystem::path& path)
    : where_(printable(path.string())),
      file_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ < 0) fail(ErrorCode::io, "{}: expected to write, found: {}", where_, last_error());
  try {
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
      fail(ErrorCode::io, "{}: expected a file that no other run writes, found one that does", where_);
    read_old(path);
  } catch (...) {
    ::close(file_);
    throw;
  }
}

BatchOutput::~BatchOutput() { ::close(file_); }

void BatchOutput::read_old(const std::filesystem::path& path) {
  LineFile lines(path, kMostOutputLine);
  int64_t good = 0, number = 0;
  while (const auto line = lines.next()) {
    ++number;
    if (!line->whole) {  // a run ended while it wrote
      if (::ftruncate(file_, good) != 0)
        fail(ErrorCode::io, "{}: expected to cut the last line off, found: {}", where_, last_error());
      break;
    }
    JsonValue value;
    try {
      if (!line->too_long) value = parse_json_value(line->text, JsonDialect::python, 256);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): told below
    }
    const JsonValue* id = value.find("custom_id");
    if (!id || (!id->is_null() && !id->as_string()) || !value.find("error")) {
      // Lines of something else are not to be lost among answers.
      bad_input("{}: line {}: expected an answer of a batch, found something else", where_, number);
    }
    good = line->end;
    if (id->as_string()) {
      ids_.insert(*id->as_string());
      continue;
    }
    const JsonValue* message = value.find("error")->find("message");
    int64_t of = 0;
    if (message && message->as_string() && message->as_string()->starts_with("line ")) {
      const std::string& text = *message->as_string();
      (void)std::from_chars(text.data() + 5, text.data() + text.size(), of);
    }
    numbers_.insert(of);
  }
}

void BatchOutput::append(const std::string& lines) {
  for (size_t done = 0; done < lines.size();) {
    const ssize_t wrote = ::write(file_, lines.data() + done, lines.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail(ErrorCode::io, "{}: expected to write, found: {}", where_, last_error());
    done += static_cast<size_t>(wrote);
  }
  if (::fdatasync(file_) != 0 && errno != EINVAL)  // of a device or a pipe
    fail(ErrorCode::io, "{}: expected to sync, found: {}", where_, last_error());
}

}  // namespace fathom::server

#include "cli/standard_input.h"

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <system_error>

#include "base/error.h"

namespace fathom::cli {
namespace {

[[noreturn]] void refuse(const std::string& where, int64_t max_bytes) {
  bad_input("{}: expected at most {} bytes, found more", where, max_bytes);
}

// A stream of C++ takes what cannot be read for the end of its text.
void check_read(const std::istream& in) {
  if (&in != &std::cin || std::ferror(stdin) == 0) return;
  const int error = errno != 0 ? errno : EIO;
  fail(ErrorCode::io, "standard input: expected to read, found: {}", std::generic_category().message(error));
}

}  // namespace

std::string read_stream(std::istream& in, const std::string& where, int64_t max_bytes) {
  std::string text;
  std::string block(size_t{1} << 16, '\0');
  errno = 0;
  while (in.read(block.data(), std::ssize(block)) || in.gcount() > 0) {
    text.append(block, 0, static_cast<size_t>(in.gcount()));
    if (std::ssize(text) > max_bytes) refuse(where, max_bytes);
  }
  check_read(in);
  return text;
}

std::string read_stdin() { return read_stream(std::cin, "standard input"); }

bool read_line(std::istream& in, const std::string& where, std::string& line, int64_t max_bytes) {
  line.clear();
  char block[1 << 14];
  errno = 0;
  for (;;) {
    in.getline(block, sizeof block);
    const bool whole = in.good();  // the line end was taken, and counted
    line.append(block, static_cast<size_t>(in.gcount() - (whole ? 1 : 0)));
    if (std::ssize(line) > max_bytes) refuse(where, max_bytes);
    if (whole) return true;
    if (in.eof() || in.bad() || in.gcount() == 0) {
      check_read(in);
      return !line.empty();
    }
    in.clear();  // the block was full
  }
}

std::string without_final_newline(std::string prompt) {
  if (prompt.ends_with('\n')) prompt.pop_back();
  return prompt;
}

}  // namespace fathom::cli

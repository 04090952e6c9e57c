#pragma once
/// Reading streams that may have no end, standard input above all: never more than a bound.

#include <cstdint>
#include <iosfwd>
#include <string>

namespace fathom::cli {

/// Most bytes of standard input that a command takes, and of any one line of it.
inline constexpr int64_t kMaxInputBytes = int64_t{1} << 30;

/// All of `in`. Throws Error(bad_input) "where: expected at most N bytes, found more", Error(io) if standard
/// input is closed or cannot be read.
std::string read_stream(std::istream& in, const std::string& where, int64_t max_bytes = kMaxInputBytes);
/// All of standard input.
std::string read_stdin();

/// The next line of `in` without its "\n"; false at the end. Throws Error(bad_input) as read_stream() does.
bool read_line(std::istream& in, const std::string& where, std::string& line,
               int64_t max_bytes = kMaxInputBytes);

/// A prompt without the one line end that echo and editors put behind it.
std::string without_final_newline(std::string prompt);

}  // namespace fathom::cli

#pragma once
/// Errors of fathom: one exception type with a code that decides the exit status (1) or the HTTP status.
/// Text form: "where: expected X, found Y"; context is added on the way up with in_context().

#include <fmt/core.h>

#include <exception>
#include <string>
#include <utility>

namespace fathom {

enum class ErrorCode { bad_input, not_found, io, out_of_memory, unsupported, internal };

/// "bad_input", "not_found", ...
const char* name(ErrorCode code);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

/// Throws Error{code, formatted text}.
template <class... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
[[noreturn]] void bad_input(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::bad_input, fmt::format(format, std::forward<Args>(args)...));
}

/// Runs f(); an Error that leaves it gets "where: " put before its message.
template <class F>
decltype(auto) in_context(const std::string& where, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const Error& error) {
    throw Error(error.code(), where + ": " + error.message());
  }
}

/// Text from outside, made safe for one line of a terminal: control characters and invalid UTF-8 are escaped,
/// and it is cut after max_bytes (with "..." at the end).
std::string printable(std::string_view text, size_t max_bytes = 120);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace fathom

/// Stays on in release and means a bug of ours; input never reaches it.
#define FATHOM_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::fathom::check_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define FATHOM_DCHECK(condition) static_cast<void>(0)
#else
#define FATHOM_DCHECK(condition) FATHOM_CHECK(condition)
#endif

#pragma once
/// What a request is answered with when it is not served. Source: api.md section 7 of the project's design.

#include <fmt/core.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "text/python_json.h"

namespace fathom::server {

/// Whose shape an error body has.
enum class ErrorShape { deepseek, anthropic };

class ApiError : public std::exception {
 public:
  ApiError(int http_status, std::string word, std::string text, std::string path = {})
      : status(http_status), code(std::move(word)), message(std::move(text)), param(std::move(path)) {}
  const char* what() const noexcept override { return message.c_str(); }

  int status;
  std::string code;        ///< "invalid_json", "model_not_found", ...; empty: the same word as the type
  std::string message;     ///< for people; starts with the field's path where there is one
  std::string param;       ///< the field's path, or empty
  double retry_after = 0;  ///< seconds, of 429 and 503
};

/// 400 about a field: "messages[1].role: expected a string, found 5".
template <class... Args>
[[noreturn]] void refuse(const std::string& path, fmt::format_string<Args...> format, Args&&... args) {
  throw ApiError(400, "", path + ": " + fmt::format(format, std::forward<Args>(args)...), path);
}

/// "invalid_request_error", ... of a status in DeepSeek's and OpenAI's shape.
std::string_view error_type(int status, ErrorShape shape);
/// The body.
JsonValue error_body(const ApiError& error, ErrorShape shape, const std::string& request_id);

}  // namespace fathom::server

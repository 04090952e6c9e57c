#pragma once
/// A streamed chat completion of any server, as it comes over the wire.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "text/completion_parser.h"

namespace fathom::cli {

/// What the server says of an answer at its end; -1: it did not.
struct RemoteUsage {
  int64_t prompt = -1, cached = -1, completion = -1, reasoning = -1;
  std::string cost;  ///< with its currency; empty: none told
};

class RemoteAnswer {
 public:
  /// @param event takes the text as it comes
  explicit RemoteAnswer(std::function<void(const CompletionEvent&)> event) : event_(std::move(event)) {}

  /// More of the body. Throws Error: an event that is an error or no JSON, a line without end.
  void feed(std::string_view bytes);
  /// Whether the server said that the answer is complete.
  bool ended() const { return done_ || !finish_reason_.empty(); }
  /// "" until it is told.
  const std::string& finish_reason() const { return finish_reason_; }

  std::string content, reasoning;
  RemoteUsage usage;

 private:
  void line(std::string_view text);
  void chunk(std::string_view json);

  std::function<void(const CompletionEvent&)> event_;
  std::string held_;  // of a line that goes on
  std::string finish_reason_;
  bool done_ = false;
};

/// The message of an error body, whatever its form; the text itself if it is none.
std::string error_message(std::string_view body);

}  // namespace fathom::cli

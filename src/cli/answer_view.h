#pragma once
/// An answer as it is written: on a terminal thinking is dimmed and, when done, folded to a line; off a
/// terminal only the answer is printed.

#include <functional>
#include <optional>
#include <string>

#include "text/completion_parser.h"

namespace fathom::cli {

class AnswerView {
 public:
  /// `clock` gives seconds; by default those of the steady clock.
  explicit AnswerView(bool terminal, std::function<double()> clock = {});
  /// Resets the colour if finish() was not reached.
  ~AnswerView();
  AnswerView(const AnswerView&) = delete;
  AnswerView& operator=(const AnswerView&) = delete;

  void event(const CompletionEvent& event);
  /// Ends the last line and resets the colour.
  void finish();

 private:
  void fold();
  void put(std::string_view text);

  bool terminal_;
  std::function<double()> clock_;
  std::optional<double> start_;  // when the first text came: the prompt had been read by then
  bool thinking_ = false, at_line_start_ = true;
  int64_t rows_ = 0, column_ = 0;  // of the thinking shown, for folding
};

/// Columns that a text takes on a terminal.
int display_width(std::string_view utf8);

}  // namespace fathom::cli

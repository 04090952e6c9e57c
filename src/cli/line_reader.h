#pragma once
/// Lines from a terminal with editing and history (libedit), or from a pipe as they come.

#include <memory>
#include <optional>
#include <string>

namespace fathom::cli {

class LineReader {
 public:
  /// history_path: where lines are kept between runs; empty = nowhere.
  explicit LineReader(const std::string& history_path);
  ~LineReader();
  /// The next line without its end, or nothing at the end of input. An interrupt gives an empty line
  /// and stays pending until the next read.
  std::optional<std::string> read(const std::string& prompt);
  /// Remembers a line.
  void remember(const std::string& line);
  bool terminal() const { return terminal_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool terminal_;
};

/// $XDG_STATE_HOME/fathom/chat_history or ~/.local/state/fathom/chat_history; empty if neither is known.
std::string default_history_path();

}  // namespace fathom::cli

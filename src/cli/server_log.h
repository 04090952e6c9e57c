#pragma once
/// The log of fathom serve: a line of JSON for each request.

#include <memory>
#include <string>

#include "server/service/request_log.h"

namespace fathom::cli {

/// Writes to `path` ("-": standard error), appending, on a thread of its own: an engine never waits for a
/// disk or a pipe. What does not keep up loses its oldest lines. Throws Error(io) if it cannot be opened.
class ServerLog {
 public:
  explicit ServerLog(const std::string& path);
  /// Writes what is left.
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;
  void write(const server::RequestRecord& record);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::cli

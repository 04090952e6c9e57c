#pragma once
/// Files of requests in the format of OpenAI's Batch API, answered by a Service without HTTP: many at once,
/// written in the order in which they end, gone on with after any interruption. Source: api.md section 10.

#include <cstdint>
#include <filesystem>
#include <functional>

#include "base/progress.h"
#include "server/http/http.h"

namespace fathom::server {

struct BatchOptions {
  int64_t at_once = 256;          ///< requests that are handed to the engines
  Progress progress;              ///< requests of this run; false ends it
  int64_t line_bytes = 65 << 20;  ///< a longer line is an error of its own
};

struct BatchSummary {
  int64_t lines = 0;      ///< of the input, without blank ones
  int64_t skipped = 0;    ///< of these, answered by an earlier run
  int64_t answered = 0;   ///< with status 200
  int64_t failed = 0;     ///< with another status
  int64_t invalid = 0;    ///< no requests at all
  bool finished = false;  ///< or stopped by progress
};

/// Answers the lines of `in` that `out` has no line for, and appends to it; every line is on disk before the
/// next ones are waited for. A last line of `out` that is cut off is taken away first.
/// Throws Error: in cannot be read; out cannot be written, is used by another run, or is no such file.
BatchSummary run_batch(HttpHandler& service, const std::filesystem::path& in,
                       const std::filesystem::path& out, const BatchOptions& options);

}  // namespace fathom::server

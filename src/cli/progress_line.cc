#include "cli/progress_line.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <functional>

#include "cli/interrupt.h"
#include "cli/say.h"

namespace fathom::cli {
namespace {

using Clock = std::chrono::steady_clock;

// `shown` writes a number of what is counted.
Progress progress_line(std::string what, std::function<std::string(double)> shown) {
  constexpr double kSecondsBetween = 0.1;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  interrupted();  // from here on Ctrl-C is asked for: files that are begun are taken away
  return [what = std::move(what), shown = std::move(shown), terminal, start = Clock::now(), next = 0.0](
             int64_t done, int64_t total) mutable {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (terminal && (seconds >= next || done >= total)) {
      next = seconds + kSecondsBetween;
      const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
      say("\r\033[K");
      if (done < total) {
        say("{} {} of {}, {}/s, {:.0f} s left", what, shown(static_cast<double>(done)),
            shown(static_cast<double>(total)), shown(rate),
            rate > 0 ? static_cast<double>(total - done) / rate : 0.0);
      }
      std::fflush(stderr);
    }
    return !interrupted();
  };
}

}  // namespace

std::string human_bytes(double bytes) {
  if (bytes >= 1e12) return fmt::format("{:.2f} TB", bytes / 1e12);
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  if (bytes >= 1e6) return fmt::format("{:.1f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.0f} bytes", bytes);
}

Progress byte_progress(std::string what) { return progress_line(std::move(what), human_bytes); }

Progress count_progress(std::string what, std::string unit) {
  return progress_line(std::move(what), [unit = std::move(unit)](double count) {
    return fmt::format("{:.0f} {}", count, unit);
  });
}

}  // namespace fathom::cli

#pragma once
/// One line of progress on standard error, with rate and time left; silent off a terminal.

#include <string>

#include "base/progress.h"

namespace fathom::cli {

/// For work counted in bytes ("converting 1.2 of 160.0 GB, 812 MB/s, 195 s left"). Asks to stop when
/// interrupted.
Progress byte_progress(std::string what);
/// For work counted in `unit` ("tokens").
Progress count_progress(std::string what, std::string unit);

/// "1.5 GB" of 10^9 bytes, "318 kB".
std::string human_bytes(double bytes);

}  // namespace fathom::cli

#pragma once
/// Messages to standard error.

#include <fmt/core.h>

#include <cstdio>
#include <string>
#include <utility>

namespace fathom::cli {

/// Prints to standard error. Unlike fmt::print it never throws because standard error is closed or full: what
/// the program does must not depend on whether somebody can read what it says of it.
template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  const std::string text = fmt::format(format, std::forward<Args>(args)...);
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace fathom::cli

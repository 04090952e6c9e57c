#pragma once
/// Files under temporary names: none is left when a signal ends the program.

#include <string>

namespace fathom {

/// Remembers a temporary file that has just been made.
void remember_temporary(const std::string& path);
/// It has been renamed or removed.
void forget_temporary(const std::string& path) noexcept;
/// Unlinks all that are remembered. Async-signal-safe; the program must end afterwards.
void remove_temporary_files() noexcept;

}  // namespace fathom

#pragma once
/// Which file a mapped address belongs to: for the one line that a program says when a file was cut short
/// under it.

#include <cstddef>
#include <cstdint>
#include <string>

namespace fathom {

/// MappedFile tells of what it maps and unmaps.
void remember_mapped(const std::byte* data, int64_t size, const std::string& path);
void forget_mapped(const std::byte* data) noexcept;

/// Installs a handler of SIGBUS: a read behind the end of a mapped file that has been cut short says so on
/// standard error, naming the file, removes temporary files and ends the program with 1. Any other SIGBUS
/// ends it as if there were no handler.
void watch_mapped_files();

}  // namespace fathom

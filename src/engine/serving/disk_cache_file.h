#pragma once
/// The file of one entry of the disk cache: a header with its own checksum, then the state's bytes.

#include <optional>

#include "engine/serving/disk_cache.h"

namespace fathom {

/// The bytes of the header. `entry.bytes` is set to the size of the whole file.
std::string cache_header(DiskCache::Entry& entry, const std::string& identity, int64_t state_bytes);
/// Reads a file's header; nothing if it is damaged, or the file's size is not what the header says.
/// @param identity set to what the file says; the rest is of use only if it is one's own
std::optional<DiskCache::Entry> read_cache_header(const std::filesystem::path& path, std::string& identity);
/// Reads the state's bytes; false if they are not those that were written.
bool read_cache_state(const DiskCache::Entry& entry, KvState& state);
/// Writes beside and renames; throws Error(io), leaving nothing behind.
void write_cache_file(const std::filesystem::path& path, std::string_view header,
                      std::span<const std::byte> state);

}  // namespace fathom

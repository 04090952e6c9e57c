#pragma once
/// Reading of --ids files and writing of JSON for commands.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fathom::cli {

/// Token id lists of a file: one JSON list, or one list a line ("-" = standard input). Throws Error naming
/// the line.
std::vector<std::vector<int32_t>> read_id_lists(const std::string& path);
/// One JSON list of ids. `where` starts every message.
std::vector<int32_t> parse_id_list(const std::string& json, const std::string& where);

}  // namespace fathom::cli

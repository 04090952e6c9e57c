#pragma once
/// Whether output can be written, asked before the work that makes it.

#include <string>

namespace fathom::cli {

/// Throws the Error that write_atomically(path) would meet at once: a folder in the file's place, no folder
/// to put it in, no permission. Nothing is left behind. An empty path (an option not given) is passed over.
void check_output_file(const std::string& path);

/// The same of a folder that may be made, with its parents. An empty path is passed over.
void check_output_folder(const std::string& path);

}  // namespace fathom::cli

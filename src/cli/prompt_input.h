#pragma once
/// What `fathom render` and `fathom parse` share: their input, and which generation of the prompt encoding
/// holds.

#include <functional>
#include <string>
#include <string_view>

#include "text/generation.h"

namespace fathom::cli {

/// The text of a file, or of standard input if `path` is empty or "-". At most 1 GiB.
/// @throws Error not_found, io, bad_input.
std::string read_input(const std::string& path);

/// Calls answer(line) for each line that is not blank, and prints what it returns as a line.
void answer_lines(const std::string& path, const std::function<std::string(std::string_view)>& answer);

/// The named generation; else that of the model, a path or a name under models/ (empty: the bundled one).
/// @throws Error not_found, bad_input.
Generation choose_generation(const std::string& name, const std::string& model);

}  // namespace fathom::cli

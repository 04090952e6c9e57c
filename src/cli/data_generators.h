#pragma once
/// fathom data tasks, fathom data stories: generated training data as JSON lines.

namespace CLI {
class App;
}

namespace fathom::cli {

/// Adds both subcommands to `fathom data`.
void add_data_generators(CLI::App& data);

}  // namespace fathom::cli

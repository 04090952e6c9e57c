#pragma once
/// Commands of the fathom binary: one file each, registered in command_list.h.

namespace CLI {
class App;
}

namespace fathom::cli {

/// Adds the subcommand to `app`; its callback runs it and throws fathom::Error, or ExitStatus, when it fails.
using RegisterCommand = void(CLI::App& app);

/// Thrown by a command to end the program with a status after it has said why itself.
struct ExitStatus {
  int status;
};

#define FATHOM_COMMAND(name) RegisterCommand register_##name;
#include "cli/command_list.h"
#undef FATHOM_COMMAND

}  // namespace fathom::cli

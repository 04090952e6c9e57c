/// fathom COMMAND: one binary trains, runs and serves models of the deepseek_v4 architecture.
/// Exit status: 0, 1 (failure, one line on standard error), 2 (usage), 130 (interrupted).

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <new>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"

// Only what prints a message may still throw, and then there is nothing left to say.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  using namespace fathom;
  CLI::App app("fathom: DeepSeek-V4 in C++");
  app.name("fathom");
  app.require_subcommand(1);
  app.set_version_flag("--version", FATHOM_VERSION);
#define FATHOM_COMMAND(name) cli::register_##name(app);
#include "cli/command_list.h"
#undef FATHOM_COMMAND
  try {
    cli::watch_interrupts();
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    fmt::print(stderr, "fathom: {}\nTry 'fathom {}--help'.\n", error.what(),
               app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name() + " ");
    return 2;
  } catch (const cli::ExitStatus& exit) {
    return exit.status;
  } catch (const Error& error) {
    fmt::print(stderr, "fathom: {}\n", error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "fathom: out of memory\n");
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "fathom: internal: {}\n", error.what());
    return 1;
  }
}

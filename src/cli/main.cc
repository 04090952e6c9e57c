/// fathom COMMAND: one binary trains, runs and serves models of the deepseek_v4 architecture.
/// Exit status: 0, 1 (failure, one line on standard error), 2 (usage), 130 (interrupted).

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <new>
#include <system_error>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/say.h"

namespace {

// A file opened where standard output or error is missing would be written over by what is printed. What
// stands in is open for reading, so that writing answers fails and is noticed.
void open_missing_standard_files() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);
  }
}

// Standard output is buffered: whether a disk is full or a reader has gone may show only here.
void flush_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  const int error = errno != 0 ? errno : EIO;
  fathom::fail(fathom::ErrorCode::io, "standard output: expected to write, found: {}",
               std::generic_category().message(error));
}

}  // namespace

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
  open_missing_standard_files();
  try {
    cli::watch_interrupts();
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() != 0) throw;
      app.exit(error);  // --help, --version
      if (!std::cout.flush()) fail(ErrorCode::io, "standard output: expected to write, found an error");
    } catch (const std::system_error& error) {
      if (std::ferror(stdout) == 0) throw;  // else it is the formatting library that cannot print
      fail(ErrorCode::io, "standard output: expected to write, found: {}", error.code().message());
    }
    flush_output();
    return 0;
  } catch (const CLI::ParseError& error) {
    cli::say("fathom: {}\nTry 'fathom {}--help'.\n", printable(error.what(), 400),
             app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name() + " ");
    return 2;
  } catch (const cli::ExitStatus& exit) {
    return exit.status;
  } catch (const Error& error) {
    cli::say("fathom: {}\n", error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    cli::say("fathom: out of memory\n");
    return 1;
  } catch (const std::exception& error) {
    cli::say("fathom: internal: {}\n", error.what());
    return 1;
  }
}

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
#include <string>
#include <system_error>

#include "base/error.h"
#include "base/mapped_ranges.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/say.h"

namespace {

// A file opened where standard output or error is missing would be written over by what is printed. What
// stands in is open the wrong way round, so that reading a prompt and writing answers fails and is noticed.
void open_missing_standard_files() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// What is wrong with the command line, and the command that it concerns. A word that is no command is named:
// the library says only that it misses one.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error, std::string& command) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  for (const CLI::App* each = at; each != nullptr && each->get_parent() != nullptr; each = each->get_parent())
    command.insert(0, each->get_name() + " ");
  if (error.get_name() == "RequiredError" && at->get_require_subcommand_min() > 0) {
    for (const std::string& word : app.remaining(true)) {
      if (!word.starts_with('-')) return "expected a command, found '" + word + "'";
    }
  }
  return error.what();
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
    watch_mapped_files();
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
    std::string command;
    const std::string problem = usage_problem(app, error, command);
    cli::say("fathom: {}\nTry 'fathom {}--help'.\n", printable(problem, 400), command);
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

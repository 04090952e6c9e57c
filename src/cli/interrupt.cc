#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>

#include "cli/command.h"

namespace fathom::cli {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): the one type a signal handler may use
volatile std::sig_atomic_t pending = 0;
volatile std::sig_atomic_t asked =
    0;  // whether the command has begun to ask: one that never does ends at once
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void on_signal(int) {
  if (pending || !asked) _exit(130);
  pending = 1;
}

}  // namespace

void watch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}
bool interrupted() {
  asked = 1;
  return pending != 0;
}
void clear_interrupt() {
  asked = 1;
  pending = 0;
}
void check_interrupt() {
  if (interrupted()) throw ExitStatus{130};
}

}  // namespace fathom::cli

#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>

#include "cli/command.h"

namespace fathom::cli {
namespace {

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): the one thing a signal handler may
// write
volatile std::sig_atomic_t pending = 0;

void on_signal(int) {
  if (pending) _exit(130);
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
bool interrupted() { return pending != 0; }
void clear_interrupt() { pending = 0; }
void check_interrupt() {
  if (pending) throw ExitStatus{130};
}

}  // namespace fathom::cli

#include "cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>

#include "base/temporary_files.h"
#include "cli/command.h"

namespace fathom::cli {
namespace {

// NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): the one type a signal handler may use
volatile std::sig_atomic_t pending = 0;
// Whether the command has begun to ask: one that never does ends at once.
volatile std::sig_atomic_t asked = 0;
int wake = -1;  // an eventfd: a read that is about to begin when the signal comes must not sleep through it
// NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables)

void on_signal(int) {
  if (pending || !asked) {
    remove_temporary_files();
    _exit(130);
  }
  pending = 1;
  const int error = errno;
  const uint64_t one = 1;
  if (write(wake, &one, sizeof one) < 0) errno = error;
}

void drain_wake() {
  uint64_t count = 0;
  while (read(wake, &count, sizeof count) > 0) {
  }
}

}  // namespace

void watch_interrupts() {
  wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup{};
  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup asks to go on
  // Writes fail instead, and say what they meant to write.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}
bool interrupted() {
  asked = 1;
  return pending != 0;
}
void clear_interrupt() {
  asked = 1;
  drain_wake();
  pending = 0;
}
bool wait_readable(int fd) {
  for (;;) {
    if (interrupted()) return false;
    pollfd both[] = {{fd, POLLIN, 0}, {wake, POLLIN, 0}};
    if (poll(both, 2, -1) < 0 && errno != EINTR) return true;  // the read says what is wrong
    if (both[1].revents != 0 && !interrupted()) drain_wake();
    if (both[0].revents != 0 && !interrupted()) return true;
  }
}
void check_interrupt() {
  if (interrupted()) throw ExitStatus{130};
}

}  // namespace fathom::cli

#pragma once
/// Ctrl-C: the first one asks the running work to stop, a second one ends the program with 130,
/// temporary files removed. Work that has not begun to ask (loading, commands that write nothing before their
/// end) is ended by the first. SIGTERM and the end of the terminal (SIGHUP) are the same.

namespace fathom::cli {

/// Installs the handler of SIGINT, SIGTERM and SIGHUP (unless that is ignored already, as by nohup).
void watch_interrupts();
/// Whether an interrupt is pending.
bool interrupted();
/// Takes a pending interrupt back (chat: the answer was stopped, the program goes on).
void clear_interrupt();
/// Waits until `fd` can be read, has ended, or an interrupt is pending (false), whichever thread got the
/// signal.
bool wait_readable(int fd);
/// Throws ExitStatus{130} if one is pending.
void check_interrupt();

}  // namespace fathom::cli

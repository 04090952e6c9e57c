#pragma once
/// Running the fathom binary as a user does: through a pipe, or on a terminal of its own (pty).

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fathom::test {

struct Finished {
  int status = -1;  ///< exit status, or 128 + signal
  std::string out, err;
};

inline std::vector<char*> argv_of(std::vector<std::string>& args) {
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);
  return argv;
}

inline int status_of(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

/// Waits for the child at most `seconds`, then kills it; its exit status (137: killed).
inline int wait_at_most(pid_t child, int seconds) {
  int status = 0;
  for (int i = 0; i < seconds * 100; ++i) {
    if (waitpid(child, &status, WNOHANG) == child) return status_of(status);
    usleep(10'000);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return status_of(status);
}

/// Runs a program (its path first) in the source tree with `input` on standard input; kills it after
/// `seconds`.
inline Finished run_program(std::vector<std::string> args, const std::string& input = "", int seconds = 60) {
  int in[2], out[2], err[2];
  if (pipe(in) || pipe(out) || pipe(err)) throw std::runtime_error("pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    for (const int fd : {in[0], in[1], out[0], out[1], err[0], err[1]}) close(fd);
    if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
    auto argv = argv_of(args);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  signal(SIGPIPE, SIG_IGN);
  for (size_t done = 0; done < input.size();) {
    const ssize_t n = write(in[1], input.data() + done, input.size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  close(in[1]);
  Finished result;
  pollfd fds[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* texts[2] = {&result.out, &result.err};
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (int open = 2; open > 0;) {
    if (poll(fds, 2, 200) < 0) break;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || !(fds[i].revents & (POLLIN | POLLHUP))) continue;
      char buffer[4096];
      const ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0) {
        texts[i]->append(buffer, static_cast<size_t>(n));
      } else {
        close(fds[i].fd);
        fds[i].fd = -1;
        --open;
      }
    }
    if (std::chrono::steady_clock::now() > end) kill(child, SIGKILL);
  }
  result.status = wait_at_most(child, seconds);
  return result;
}

/// The same of `fathom args...`.
inline Finished run_fathom(std::vector<std::string> args, const std::string& input = "", int seconds = 60) {
  args.insert(args.begin(), FATHOM_BINARY);
  return run_program(std::move(args), input, seconds);
}

/// A program on a terminal of 80 columns and 24 rows.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> args) {
    args.insert(args.begin(), FATHOM_BINARY);
    winsize size{24, 80, 0, 0};
    child_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (child_ == 0) {
      setenv("TERM", "xterm", 1);
      setenv("LC_ALL", "C.UTF-8", 1);
      setenv("HOME", "/nonexistent", 1);
      unsetenv("XDG_STATE_HOME");
      if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
      auto argv = argv_of(args);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(fd_);
  }

  void type(const std::string& text) {
    if (write(fd_, text.data(), text.size()) < 0) throw std::runtime_error("write to the terminal");
  }
  /// Reads until `text` has appeared after the last one waited for; false after `seconds`.
  bool wait_for(const std::string& text, int seconds = 60) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    for (;;) {
      const size_t at = screen_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      if (std::chrono::steady_clock::now() > end || !read_some(1000)) return false;
    }
  }
  /// Waits for the end, at most `seconds`; the exit status.
  int finish(int seconds = 60) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (std::chrono::steady_clock::now() < end && read_some(1000)) {
    }
    return wait_at_most(std::exchange(child_, -1), seconds);
  }
  /// Types Ctrl-D until the program ends: before a prompt the terminal still collects lines, and hands it on
  /// as a zero byte.
  int finish_by_end_of_input(int seconds = 60) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (std::chrono::steady_clock::now() < end && write(fd_, "\004", 1) == 1 && read_some(500)) {
    }
    return finish();
  }
  const std::string& screen() const { return screen_; }

 private:
  /// False once the other side is closed.
  bool read_some(int milliseconds) {
    pollfd p{fd_, POLLIN, 0};
    const int ready = poll(&p, 1, milliseconds);
    if (ready == 0) return true;
    if (ready < 0) return false;
    char buffer[4096];
    const ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n <= 0) return false;
    screen_.append(buffer, static_cast<size_t>(n));
    return true;
  }
  int fd_ = -1;
  pid_t child_ = -1;
  std::string screen_;
  size_t seen_ = 0;
};

}  // namespace fathom::test

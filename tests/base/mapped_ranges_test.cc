// A mapped file that shrinks ends the program with one line; a signal leaves no temporary file.
#include "base/mapped_ranges.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>

#include "base/file.h"
#include "base/temporary_files.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

struct Ended {
  int status = 0;  ///< as waitpid() tells
  std::string err;
};

// Runs f in a child whose standard error is read.
Ended child(const std::function<void()>& f) {
  int err[2];
  REQUIRE(pipe(err) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (const int signal : {SIGBUS, SIGABRT, SIGSEGV})
      std::signal(signal, SIG_DFL);  // not the test runner's
    alarm(60);
    dup2(err[1], STDERR_FILENO);
    close(err[0]);
    close(err[1]);
    f();
    _exit(0);
  }
  close(err[1]);
  Ended out;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(err[0], buffer, sizeof(buffer))) > 0;)
    out.err.append(buffer, static_cast<size_t>(n));
  close(err[0]);
  waitpid(pid, &out.status, 0);
  return out;
}

int sum(const MappedFile& file) {
  int total = 0;
  for (int64_t i = 0; i < file.size(); ++i) total += static_cast<int>(file.data()[i]);
  return total;
}

}  // namespace

TEST_CASE("a file cut short while it is mapped: its name on one line, status 1, no temporary file") {
  const test::TempFolder folder;
  const auto path = folder.write("weights", std::string(40'000, 'x'));
  const auto other = folder.write("other", std::string(40'000, 'x'));
  const auto temporary = folder.write("temporary", "half");
  const Ended ended = child([&] {
    watch_mapped_files();
    remember_temporary(temporary.string());
    const MappedFile before(other);
    MappedFile first(path);
    const MappedFile file(std::move(first));
    if (sum(file) != 40'000 * 'x' || truncate(path.c_str(), 100) != 0) _exit(3);
    _exit(sum(file) == 0 ? 4 : 5);
  });
  CHECK(WIFEXITED(ended.status));
  CHECK(WEXITSTATUS(ended.status) == 1);
  CHECK(ended.err == "fathom: " + path.string() +
                         ": expected a file that stays as it is while it is read, found it cut short\n");
  CHECK(!std::filesystem::exists(temporary));
}

TEST_CASE("any other bus error ends the program as ever") {
  const test::TempFolder folder;
  const auto path = folder.write("gone", std::string(100, 'x'));
  const Ended ended = child([&] {
    watch_mapped_files();
    {
      const MappedFile file(path);
    }
    (void)raise(SIGBUS);
  });
  CHECK(WIFSIGNALED(ended.status));
  CHECK(WTERMSIG(ended.status) == SIGBUS);
  CHECK(ended.err.empty());
}

TEST_CASE("temporary files that a signal meets are removed, renamed ones stay") {
  const test::TempFolder folder;
  const auto open = folder.write("open", "half"), done = folder.write("done", "whole");
  const auto again = folder.write("again", "half");
  const Ended ended = child([&] {
    for (const auto& path : {done, open}) remember_temporary(path.string());
    forget_temporary(done.string());
    remember_temporary(again.string());  // takes the place of the one that was forgotten
    remove_temporary_files();
    _exit(7);
  });
  CHECK(WEXITSTATUS(ended.status) == 7);
  CHECK(!std::filesystem::exists(open));
  CHECK(!std::filesystem::exists(again));
  CHECK(std::filesystem::exists(done));
}

}  // namespace fathom

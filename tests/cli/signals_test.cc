// What signals and limits leave behind: nothing.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// fathom args..., its output in `folder`; prepare() runs in the child.
template <class Prepare>
pid_t start(const test::TempFolder& folder, std::vector<std::string> args, Prepare&& prepare) {
  args.insert(args.begin(), FATHOM_BINARY);
  const std::string out = (folder / "out").string(), err = (folder / "err").string();
  const pid_t child = fork();
  if (child == 0) {
    dup2(open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    prepare();
    if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
    auto argv = test::argv_of(args);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

// What the program has written so far; nothing if it has not begun.
std::string written(const fs::path& path) { return fs::exists(path) ? test::read_text(path) : std::string(); }

std::vector<std::string> partial_files(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.path().filename().string().find(".partial-") != std::string::npos)
      found.push_back(entry.path().string());
  }
  return found;
}

// A model of gigabytes: its writing lasts until a signal comes.
std::vector<std::string> long_work(const test::TempFolder& folder) {
  return {"init", "--preset", "v4-flash", "--sparse", "--out", (folder / "model").string()};
}

}  // namespace

TEST_CASE("SIGHUP, SIGTERM and a second signal leave no temporary file") {
  for (const std::vector<int>& signals :
       std::vector<std::vector<int>>{{SIGHUP}, {SIGTERM}, {SIGINT, SIGINT}}) {
    CAPTURE(signals.front());
    const test::TempFolder folder;
    const pid_t child = start(folder, long_work(folder), [] {});
    for (int i = 0; i < 6000 && partial_files(folder.path()).empty(); ++i) usleep(10'000);
    CHECK(!partial_files(folder.path()).empty());
    for (const int signal : signals) kill(child, signal);
    CHECK(test::wait_at_most(child, 60) == 130);
    CHECK(partial_files(folder.path()).empty());
  }
}

TEST_CASE("nohup: a hang-up that is ignored stays so") {
  const test::TempFolder folder;
  const pid_t child = start(folder, {"serve", "-m", "v4-10m", "--port", "0", "--log", "none"},
                            [] { std::signal(SIGHUP, SIG_IGN); });
  for (int i = 0; i < 6000 && !written(folder / "out").starts_with("ready "); ++i) usleep(10'000);
  kill(child, SIGHUP);
  usleep(200'000);
  CHECK(waitpid(child, nullptr, WNOHANG) == 0);
  kill(child, SIGTERM);
  CHECK(test::wait_at_most(child, 60) == 0);
}

TEST_CASE("a limit on the size of files is an error like a full disk") {
  const test::TempFolder folder;
  const pid_t child =
      start(folder, {"convert", "models/v4-10m", "--to", "gguf", "--out", (folder / "m.gguf").string()}, [] {
        const rlimit limit{1 << 20, 1 << 20};
        setrlimit(RLIMIT_FSIZE, &limit);
      });
  CHECK(test::wait_at_most(child, 60) == 1);
  const std::string err = test::read_text(folder / "err");
  CHECK_MESSAGE(err.find("m.gguf: expected to ") != std::string::npos, err);
  CHECK(err.find("File too large") != std::string::npos);
  CHECK(partial_files(folder.path()).empty());
}

TEST_CASE("Ctrl-C ends a measurement within its figure") {
  const test::TempFolder folder;
  const pid_t child = start(folder, {"bench", "tokenizer", "-m", "v4-10m", "--seconds", "60", "-v"}, [] {});
  for (int i = 0; i < 6000 && written(folder / "err").find("bench: ") == std::string::npos; ++i)
    usleep(10'000);
  kill(child, SIGINT);
  CHECK(test::wait_at_most(child, 30) == 130);  // three figures of a minute else
}

}  // namespace fathom

// Standard streams that are closed, full or read by nobody; names that would steer a terminal.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>

#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

struct Shell {
  int status;
  std::string err;
};

// `fathom rest` in a shell, for a minute at most; standard error goes to a file unless `rest` sends it
// elsewhere.
Shell shell(const std::string& rest) {
  const test::TempFolder folder;
  const std::string err = (folder / "err").string();
  const std::string command = "cd '" FATHOM_SOURCE_DIR "' && exec 2>'" + err +
                              "' </dev/null; timeout -k 1 60 '" FATHOM_BINARY "' " + rest;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), test::read_text(err)};
}

bool one_line(const std::string& text) {
  return text.starts_with("fathom: ") && text.ends_with('\n') &&
         std::count(text.begin(), text.end(), '\n') == 1;
}

}  // namespace

TEST_CASE("an answer that cannot be written is a failure") {
  for (const std::string command :
       {"run -p 'Compute 1 + 2.'", "run -p 'Compute 1 + 2.' --json", "demo", "plan", "plan --json",
        "inspect v4-10m", "tokenize README.md", "--help", "run --help", "--version"}) {
    for (const std::string to : {" >/dev/full", " >&-"}) {
      CAPTURE(command + to);
      const Shell r = shell(command + to);
      CHECK(r.status == 1);
      CHECK_MESSAGE(one_line(r.err), r.err);
      CHECK(r.err.find("standard output") != std::string::npos);
    }
  }
}

TEST_CASE("standard input that cannot be read is no empty prompt") {
  for (const std::string command :
       {"run", "run --raw", "score -", "tokenize", "tokenize --jsonl", "tokenize -", "render", "parse",
        "parse --jsonl", "logits --ids - --out /dev/null", "inspect routing", "chat",
        "tokenizer train - --out /tmp/never.json"}) {
    for (const std::string from : {" <&-", " </"}) {
      CAPTURE(command + from);
      const Shell r = shell(command + from + " >/dev/null");
      CHECK(r.status == 1);
      CHECK_MESSAGE(one_line(r.err), r.err);
      CHECK(r.err.find("standard input: expected to read, found") != std::string::npos);
    }
  }
}

TEST_CASE("what cannot be said on standard error changes nothing else") {
  for (const std::string to : {" 2>/dev/full", " 2>&-"}) {
    CAPTURE(to);
    CHECK(shell("run -m no/such -p x" + to).status == 1);
    CHECK(shell("run --no-such-flag" + to).status == 2);
    CHECK(shell("run --stats -p 'Compute 1 + 2.' >/dev/null" + to).status == 0);
  }
}

TEST_CASE("a written file never takes the number of a closed stream") {
  const test::TempFolder folder;
  const std::string source = "convert tests/golden/fp32/a_swa --to gguf --out ";
  for (const char* name : {"open", "closed"}) fs::create_directory(folder / name);
  CHECK(shell(source + (folder / "open/m.gguf").string() + " >/dev/null").status == 0);
  CHECK(shell(source + (folder / "closed/m.gguf").string() + " <&- >&- 2>&-").status == 1);
  CHECK(test::read_text(folder / "open/m.gguf") == test::read_text(folder / "closed/m.gguf"));
}

TEST_CASE("no control character of a name reaches a terminal") {
  const test::TempFolder folder;
  const std::string name = (folder / "a\033[31m\nb\302\233m").string();
  const auto clean = [](const std::string& text) {
    return text.find('\033') == std::string::npos && text.find("\302\233") == std::string::npos;
  };
  const auto missing = test::run_fathom({"run", "-m", name, "-p", "x"});
  CHECK(missing.status == 1);
  CHECK_MESSAGE(one_line(missing.err), missing.err);
  CHECK(clean(missing.err));
  CHECK(clean(test::run_fathom({"run", "--x\033[31m"}).err));

  const auto converted =
      test::run_fathom({"convert", "tests/golden/fp32/a_swa", "--to", "official", "--out", name});
  CHECK(converted.status == 0);
  CHECK(clean(converted.out));
  CHECK(std::count(converted.out.begin(), converted.out.end(), '\n') == 1);
}

TEST_CASE("Ctrl-C while standard input is read ends the program: half an input is no input") {
  for (std::vector<std::string> args :
       std::vector<std::vector<std::string>>{{"tokenize"}, {"parse"}, {"render"}, {"run"}, {"score", "-"}}) {
    CAPTURE(args[0]);
    args.insert(args.begin(), FATHOM_BINARY);
    const test::TempFolder folder;
    int in[2];
    REQUIRE(pipe(in) == 0);
    const pid_t child = fork();
    if (child == 0) {
      const int out = open((folder / "out").c_str(), O_WRONLY | O_CREAT, 0600);
      dup2(in[0], 0);
      dup2(out, 1);
      close(in[0]);
      close(in[1]);
      if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
      execv(args[0].c_str(), test::argv_of(args).data());
      _exit(127);
    }
    close(in[0]);
    CHECK(write(in[1], "x", 1) == 1);
    usleep(500'000);  // it waits for more by now
    kill(child, SIGINT);
    CHECK(test::wait_at_most(child, 20) == 130);
    close(in[1]);
    CHECK(test::read_text(folder / "out").empty());
  }
}

}  // namespace fathom

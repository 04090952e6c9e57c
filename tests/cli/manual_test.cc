// The manual page names every command that --help lists.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "tests/cli/program.h"

using namespace fathom;

TEST_CASE("the manual page has every command") {
  const test::Finished help = test::run_fathom({"--help"});
  REQUIRE(help.status == 0);
  std::ifstream file(FATHOM_SOURCE_DIR "/man/fathom.1");
  std::ostringstream page;
  page << file.rdbuf();
  std::istringstream lines(help.out.substr(help.out.find("Subcommands:")));
  int64_t commands = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() < 3 || line[0] != ' ' || line[1] != ' ' || line[2] == ' ') continue;  // goes on
    const std::string command = line.substr(2, line.find(' ', 2) - 2);
    CAPTURE(command);
    const std::string name = "fathom " + command;
    const size_t at = page.str().find(name);
    CHECK(at != std::string::npos);
    ++commands;
  }
  CHECK(commands > 15);
}

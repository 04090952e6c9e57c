// Streams are read to a bound, never further; a prompt loses one line end.
#include "cli/standard_input.h"

#include <doctest/doctest.h>

#include <sstream>
#include <vector>

#include "base/error.h"

namespace fathom::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; read_line(in, "in", line);) lines.push_back(line);
  return lines;
}

// As std::getline has it, which knows no bound.
std::vector<std::string> expected_lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a stream longer than the bound is refused") {
  for (const size_t size : {0u, 1u, 99'999u, 100'000u}) {
    CAPTURE(size);
    std::istringstream in(std::string(size, 'x'));
    CHECK(read_stream(in, "in", 100'000).size() == size);
  }
  std::istringstream in(std::string(100'001, 'x'));
  CHECK_THROWS_WITH_AS(read_stream(in, "in", 100'000), "in: expected at most 100000 bytes, found more",
                       Error);
}

TEST_CASE("lines of any length, whole") {
  const std::string nul("a\0b\n\0", 5);
  std::vector<std::string> texts = {"", "\n", "\n\n", "a", "a\n", "a\nb", "\na\r\n\nb\n", nul};
  for (const int64_t size : {16'382, 16'383, 16'384, 16'385, 32'766, 32'767, 70'000}) {
    const std::string line(static_cast<size_t>(size), 'x');
    for (const char* end : {"", "\n", "\n\n", "\ny"}) texts.push_back(line + end);
  }
  for (const std::string& text : texts) {
    CAPTURE(text.size());
    CHECK(lines_of(text) == expected_lines(text));
  }
}

TEST_CASE("a line longer than the bound is refused, the ones before it are not") {
  std::istringstream in("ab\n" + std::string(50'000, 'x'));
  std::string line;
  CHECK(read_line(in, "in", line, 40'000));
  CHECK_THROWS_WITH_AS(read_line(in, "in", line, 40'000), "in: expected at most 40000 bytes, found more",
                       Error);
}

TEST_CASE("a prompt loses one final line end") {
  CHECK(without_final_newline("hi\n") == "hi");
  CHECK(without_final_newline("hi\n\n") == "hi\n");
  CHECK(without_final_newline("hi") == "hi");
  CHECK(without_final_newline("\n").empty());
  CHECK(without_final_newline("").empty());
}

}  // namespace fathom::cli

#include "cli/prompt_input.h"

#include <fmt/core.h>

#include <filesystem>
#include <iostream>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "cli/common_options.h"
#include "cli/standard_input.h"

namespace fathom::cli {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxConfig = int64_t{16} << 20;

bool is_standard_input(const std::string& path) { return path.empty() || path == "-"; }

std::string text_if_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error) ? read_text(path, kMaxConfig) : std::string();
}

}  // namespace

std::string read_input(const std::string& path) {
  return is_standard_input(path) ? read_stdin() : read_text(path, kMaxInputBytes);
}

void answer_lines(const std::string& path, const std::function<std::string(std::string_view)>& answer) {
  // Lines end at "\n" only: texts may hold other line ends. From a pipe, each is answered when it comes.
  std::istringstream file(is_standard_input(path) ? std::string() : read_input(path));
  std::istream& in = is_standard_input(path) ? std::cin : file;
  const std::string where = is_standard_input(path) ? "standard input" : printable(path, 400);
  for (std::string line; read_line(in, where, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    fmt::print("{}\n", answer(line));
    if (is_standard_input(path) && in.rdbuf()->in_avail() <= 0) std::fflush(stdout);
  }
}

Generation choose_generation(const std::string& name, const std::string& model) {
  if (!name.empty()) return parse_generation(name);
  const fs::path folder = model_folder(resolve_model(model));
  return in_context(folder.string(), [&] {
    return detect_generation(text_if_there(folder / "encoding" / "encoding_dsv4.py"),
                             text_if_there(folder / "config.json"));
  });
}

}  // namespace fathom::cli

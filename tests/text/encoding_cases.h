#pragma once
// Files of tests/golden/encoding, read by "\n" only (the texts hold U+2028).
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "text/python_json.h"

namespace fathom::test {

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline std::string read_golden(const std::string& name) {
  return read_file(FATHOM_SOURCE_DIR "/tests/golden/encoding/" + name);
}

inline std::vector<JsonValue> read_golden_lines(const std::string& name) {
  std::vector<JsonValue> cases;
  std::istringstream lines(read_golden(name));
  for (std::string line; std::getline(lines, line);) cases.push_back(parse_json_value(line));
  return cases;
}

}  // namespace fathom::test

#include "cli/json_output.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "cli/standard_input.h"

namespace fathom::cli {
namespace {

constexpr int kMaxDepth = 8;

}  // namespace

std::vector<int32_t> parse_id_list(const std::string& text, const std::string& where) {
  const auto json = in_context(where, [&] { return parse_json(text, kMaxDepth, kMaxInputBytes); });
  if (!json.is_array())
    bad_input("{}: expected a JSON list of token ids, found '{}'", where, printable(text, 60));
  std::vector<int32_t> ids;
  for (const auto& id : json) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      bad_input("{}: item {}: expected a token id, found {}", where, ids.size(), printable(id.dump(), 60));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

std::vector<std::vector<int32_t>> read_id_lists(const std::string& path) {
  std::string text;
  if (path == "-") {
    text = read_stdin();
  } else {
    std::ifstream in(path, std::ios::binary);
    if (!in) fail(ErrorCode::not_found, "{}: cannot be opened", printable(path));
    text = read_stream(in, printable(path));
  }
  if (nlohmann::json::accept(text)) return {parse_id_list(text, printable(path))};
  std::vector<std::vector<int32_t>> lists;
  size_t begin = 0;
  for (int64_t line = 1; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string row = text.substr(begin, end - begin);
    if (row.find_first_not_of(" \t\r") != std::string::npos) {
      lists.push_back(parse_id_list(row, fmt::format("{}: line {}", printable(path), line)));
    }
    begin = end + 1;
  }
  if (lists.empty()) bad_input("{}: expected a JSON list of token ids, found nothing", printable(path));
  return lists;
}

}  // namespace fathom::cli

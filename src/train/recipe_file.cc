#include "train/recipe_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"

namespace fathom {

Recipe recipe_without_data(const std::string& file, std::vector<std::string> overrides) {
  constexpr int64_t kMaxBytes = int64_t{16} << 20;
  const std::string text = read_text(file, kMaxBytes);
  const auto document = in_context(printable(file, 400), [&] { return parse_json(text); });
  if (document.is_object() && !document.contains("data")) {
    overrides.emplace_back(R"(data={"data": {"path": "any"}})");
  }
  return Recipe::parse(text, file, std::filesystem::absolute(file).parent_path().string(), overrides);
}

}  // namespace fathom

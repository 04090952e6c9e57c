#pragma once
/// The grammar of the stories: plots are lists of lines, a line is wordings separated by '|', and {fields}
/// stand for what was drawn. A line "-" begins a new paragraph.

#include <span>
#include <string_view>

namespace fathom {

struct Plot {
  std::string_view name;     ///< what it is about: "a lost {thing}"
  std::string_view trouble;  ///< what goes wrong, for the plan
  std::string_view end;      ///< how it ends, for the plan
  std::span<const std::string_view> lines;
};
std::span<const Plot> story_plots();
/// Lines that begin every story.
std::span<const std::string_view> story_openings();
/// Last lines.
std::span<const std::string_view> story_endings();

}  // namespace fathom

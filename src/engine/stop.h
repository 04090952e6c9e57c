#pragma once
/// Stop strings in a text that comes in pieces.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

/// Holds back what may be the beginning of a stop string, so that no part of one is ever shown.
class StopMatcher {
 public:
  /// Throws Error(bad_input) for an empty string.
  explicit StopMatcher(std::vector<std::string> stops);

  /// Text that is safe to show now. After a match nothing more comes.
  std::string push(std::string_view piece);
  /// What was held back, when the text ends without a match.
  std::string finish();
  /// The stop string that was met.
  const std::optional<std::string>& matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::optional<std::string> matched_;
};

}  // namespace fathom

#pragma once
/// The custom tool apply_patch, which coding clients declare by its name alone.

#include <string_view>

namespace fathom::server {

extern const std::string_view kApplyPatchDescription;
inline constexpr std::string_view kApplyPatchInput =
    "The entire contents of the apply_patch command (the *** Begin Patch ... *** End Patch envelope).";

}  // namespace fathom::server

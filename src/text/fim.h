#pragma once
/// Fill in the middle: the prompt after which the model writes what belongs between two texts.
/// Source: architecture.md section 11.

#include <string_view>

#include "text/prompt.h"

namespace fathom {

/// BOS (unless add_bos is false), then `<｜fim▁begin｜>prefix<｜fim▁hole｜>suffix<｜fim▁end｜>`.
Prompt fim_prompt(std::string_view prefix, std::string_view suffix, bool add_bos = true);

}  // namespace fathom

#pragma once
/// The README.md of a released model: what it is, what it was trained on and how, what it can do, its limits.

#include <filesystem>
#include <string>

#include "model/config.h"

namespace fathom {

/// The card of a run folder's model in Markdown: from recipe.json, run.json and log.jsonl, the data.json of
/// its data, and every eval*.json (of fathom eval --json). What a run does not have is said to be missing.
/// @param stored  how the weights are stored ("FP8, experts FP4")
/// Throws Error naming a file that is missing or broken.
std::string model_card(const std::filesystem::path& run, const ModelConfig& config,
                       const std::string& stored);

}  // namespace fathom

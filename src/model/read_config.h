#pragma once
/// The config of a checkpoint, with the name of its file in every message.

#include "checkpoint/checkpoint.h"
#include "model/config.h"

namespace fathom {

/// ModelConfig::parse() of the checkpoint's config. Throws Error that names config.json, or the GGUF file
/// that holds the config.
ModelConfig read_config(const Checkpoint& checkpoint);

}  // namespace fathom

#pragma once
/// Weights as one name, for what must not be used with other ones.

#include <string>

#include "checkpoint/checkpoint.h"

namespace fathom {

/// 32 hex digits. Checkpoints of up to 1 GiB are hashed whole; of larger ones the config, every tensor's
/// name, type and shape and a sample of its bytes, and the files' sizes and times.
std::string weights_hash(const Checkpoint& checkpoint);

}  // namespace fathom

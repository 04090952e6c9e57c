#pragma once
/// The texts that a Hugging Face folder has and a GGUF file does not: config.json and tokenizer.json, made
/// from the metadata. Source: architecture.md section 9 (GGUF metadata), section 1 (fields), section 11
/// (tokenizer).

#include <string>
#include <string_view>

#include "checkpoint/gguf.h"

namespace fathom {

/// Blocks of the main model: block_count less nextn_predict_layers. Throws Error naming the key.
int64_t gguf_main_layers(const GgufMetadata& metadata);

/// config.json in the official field set. Throws Error naming the key that is missing or cannot be said
/// there. A layer with a ratio other than 0 and 4 that has an indexer is written as CSA (in layer_types).
std::string gguf_config_json(const GgufFile& file);

/// tokenizer.json from tokenizer.ggml.*, or the one that tokenizer.huggingface.json carries; empty if the
/// file has no tokenizer. Throws Error naming the key; Error(unsupported) for a tokenizer model or
/// pre-tokenizer of another family.
std::string gguf_tokenizer_json(const GgufMetadata& metadata);

}  // namespace fathom

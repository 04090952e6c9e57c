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

/// The splits of DeepSeek V3 and V4, as their tokenizer.json has them (the two files differ in added tokens
/// alone).
inline constexpr std::string_view kGgufPreTokenizer = R"json({"type":"Sequence","pretokenizers":[
{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}"},"behavior":"Isolated","invert":false},
{"type":"Split","pattern":{"Regex":"[一-龥\u3040-ゟ゠-ヿ]+"},"behavior":"Isolated","invert":false},
{"type":"Split","pattern":{"Regex":"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},
{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})json";

/// tokenizer.json from tokenizer.ggml.*, or the one that tokenizer.huggingface.json carries; empty if the
/// file has no tokenizer. Throws Error naming the key; Error(unsupported) for a tokenizer model or
/// pre-tokenizer of another family.
std::string gguf_tokenizer_json(const GgufMetadata& metadata);

}  // namespace fathom

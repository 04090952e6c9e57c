#pragma once
/// A config in the field sets of other programs. The official one: ModelConfig::to_json().
/// Source: architecture.md sections 1 (transformers' fields) and 9 (GGUF metadata).

#include <string>

#include "checkpoint/gguf_writer.h"
#include "model/config.h"

namespace fathom {

/// config.json as transformers' DeepseekV4Config writes it (layer_types, compress_rates, mlp_layer_types,
/// rope_parameters). Throws Error(unsupported) for what it cannot say: two ratios of one layer kind.
std::string transformers_config_json(const ModelConfig& config);

/// deepseek4.* of a GGUF file whose blocks are the main layers and then config.num_nextn_predict_layers draft
/// layers. Throws Error(unsupported) for what the keys cannot say: hash layers that are not the first ones, a
/// ratio of 4 without an indexer, a DSpark drafter.
void add_gguf_config(GgufKeyValues& out, const ModelConfig& config);

/// Whether llama.cpp can run the config: it accepts the ratios 0, 4 and 128 alone.
bool llama_cpp_knows_ratios(const ModelConfig& config);

}  // namespace fathom

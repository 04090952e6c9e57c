#pragma once
/// tokenizer.ggml.* of a GGUF file from a tokenizer.json; the reverse of gguf_tokenizer_json().
/// Source: architecture.md sections 9 (GGUF metadata) and 11 (tokenizer); llama.cpp's converter for token
/// types.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf_writer.h"

namespace fathom {

/// Adds the vocabulary, and the whole tokenizer.json as tokenizer.huggingface.json (ggml's own key for it):
/// what tokenizer.ggml.* cannot say (splits, flags of added tokens) stays exact for readers that look there.
/// Ids below vocab_size without a token become "[PADn]" of type unused, as llama.cpp's converter writes them.
/// Returns false if the splits are not those of pre-tokenizer joyai-llm, so that a reader of tokenizer.ggml.*
/// alone cuts some texts otherwise. Throws Error(bad_input) naming the field.
bool add_gguf_vocabulary(GgufKeyValues& out, std::string_view tokenizer_json, int64_t vocab_size,
                         int32_t bos_id, int32_t eos_id);

}  // namespace fathom

#pragma once
/// Writes tokenizer.json as Hugging Face tokenizers does, in V4's schema.

#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_pair.h"
#include "text/pretokenizer.h"

namespace fathom {

struct TokenizerFile {
  std::vector<SplitRule> splits;         ///< of the pre-tokenizer, before its byte-level step
  std::vector<std::string> token_bytes;  ///< of the base vocabulary, by id; empty for added tokens among them
  std::vector<Merge> merges;             ///< by rank
  std::vector<AddedToken> added;         ///< ids below or right after the base vocabulary's
};

/// The text of tokenizer.json.
std::string write_tokenizer_json(const TokenizerFile& file);

}  // namespace fathom

#pragma once
/// tokenizer.json (Hugging Face tokenizers) as byte-level BPE, read and checked.
/// Source: architecture.md section 11; golden/tokenizer/README.md.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/byte_pair.h"
#include "text/pretokenizer.h"

namespace fathom {

struct TokenizerData {
  std::vector<SplitRule> splits;
  /// Every token's bytes, by id: text of added tokens, else the bytes that the byte-level characters stand
  /// for.
  std::string token_bytes;
  std::vector<uint32_t> offsets;  ///< token id -> begin in token_bytes; one more entry than tokens
  std::vector<bool> byte_level;   ///< by id: a base token of byte-level characters, which pieces can become
  std::array<int32_t, 256> byte_ids{};  ///< token of each byte
  std::vector<Merge> merges;            ///< by rank
  std::vector<AddedToken> added;
  bool ignore_merges = false;  ///< a piece that is a base token is that token, whatever the merges
};

/// Reads tokenizer.json. Ids are the file's, and must fill 0..N-1 without gap or repeat.
/// Throws Error naming the field: bad_input for what is broken, unsupported for what byte-level BPE of the
/// DeepSeek family does not have (normalizers, unigram models, prefix spaces, ...).
TokenizerData parse_tokenizer_json(std::string_view json);

}  // namespace fathom

#pragma once
/// Learns byte-pair merges from counted pieces: again and again the most frequent pair of neighbouring tokens
/// becomes a token. Source: Sennrich et al. 2016; order of equals as in Hugging Face tokenizers' `BpeTrainer`
/// (the pair with the lower ids first), so that both give the same merges.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "text/byte_pair.h"

namespace fathom {

/// A piece of the pre-tokenizer and how often it occurs.
struct PieceCount {
  std::string bytes;
  int64_t count = 0;
};

struct BpeTraining {
  std::vector<Merge> merges;             ///< by rank
  std::vector<std::string> token_bytes;  ///< of the tokens made, in the order of their ids
  int64_t tokens = 0;                    ///< that all pieces are with these merges
  bool stopped = false;                  ///< progress asked to stop
};

/// Makes tokens first_id, first_id + 1, ... until there are `tokens` of them or no pair occurs min_frequency
/// times (at least 1). Each merge looks only at the pieces that hold its pair.
/// @param byte_ids  token of each byte, below first_id
/// @param progress  called with the tokens made
BpeTraining train_merges(const std::vector<PieceCount>& pieces, const std::array<int32_t, 256>& byte_ids,
                         int32_t first_id, int64_t tokens, int64_t min_frequency, const Progress& progress);

}  // namespace fathom

#pragma once
/// Training of a tokenizer: byte-level BPE in the schema, with the splits and the markup of V4's
/// tokenizer.json, for a vocabulary of any size. Source: architecture.md section 11 "Tokenizer".
///
/// Ids: 0 BOS, 1 EOS, 2 padding, then the 256 bytes, the merges, and at the end the other added tokens. The
/// same text gives the same file, however many threads count it; Hugging Face `tokenizers` (BpeTrainer) finds
/// the same merges.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"

namespace fathom {

struct TokenizerTrainOptions {
  int64_t vocab = 4096;            ///< ids in all: bytes, merges and added tokens
  int64_t digits_per_piece = 1;    ///< 1: every digit is a token of its own; 3: as in V4's file
  int64_t min_frequency = 2;       ///< of a pair to become a token
  std::vector<std::string> added;  ///< further added tokens, after V4's
};

struct TrainedTokenizer {
  std::string json;         ///< tokenizer.json
  std::string config_json;  ///< tokenizer_config.json
  int64_t vocab = 0, merges = 0;
  int64_t texts = 0, bytes = 0;             ///< of the training text
  int64_t pieces = 0, distinct_pieces = 0;  ///< counted
  int64_t pieces_too_long = 0;              ///< left out (PieceCounter::kMaxPieceBytes)
  int64_t tokens = 0;                       ///< that the counted pieces are
};

/// The strings of V4's markup that the prompt encoding uses, in the order of V4's ids; BOS, EOS and padding
/// are not among them.
const std::vector<std::string>& v4_markup();

class TokenizerTrainer {
 public:
  /// Throws Error(bad_input) for options out of range: a vocabulary that cannot hold bytes and added tokens,
  /// or an added token that is empty, too long, not UTF-8 or named twice.
  TokenizerTrainer(TokenizerTrainOptions options, ThreadPool& pool);
  ~TokenizerTrainer();

  /// Counts a text (valid UTF-8). Markup in it is text.
  void add(std::string_view text);
  /// Learns the merges from all texts; nothing if progress (tokens made) asks to stop. Throws
  /// Error(bad_input) if the texts give fewer tokens than the vocabulary has.
  std::optional<TrainedTokenizer> finish(const Progress& progress = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom

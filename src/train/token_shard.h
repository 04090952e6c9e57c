#pragma once
/// Files of token documents, memory-mapped: what `fathom data` makes and training reads.
///
/// A file is a header of 96 bytes, the documents' borders (documents + 1 numbers of 8 bytes, in tokens), the
/// tokens (2 bytes each while the vocabulary is at most 65,536, else 4) and one bit a token: whether it is to
/// be learned when it is the next one. All numbers are little-endian.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace fathom {

/// What a file is about; the tokens must suit the model that reads them.
struct ShardInfo {
  int64_t vocab_size = 0;
  uint64_t tokenizer_hash = 0;  ///< tokenizer_hash() of the tokenizer.json
  int32_t bos = 0;
  bool masked = false;  ///< conversations: not every token is a label, and documents are never cut
  int64_t documents = 0, tokens = 0;
  int64_t labels = 0;       ///< tokens to be learned
  int64_t label_bytes = 0;  ///< length of their text, for bits per byte
};

/// XXH64 of a tokenizer.json.
uint64_t tokenizer_hash(std::string_view tokenizer_json);

/// Collects documents in memory and writes them as one file.
class ShardWriter {
 public:
  /// info: vocab_size, tokenizer_hash, bos and masked; the counts are the writer's.
  explicit ShardWriter(const ShardInfo& info) : info_(info) { info_.documents = info_.tokens = 0; }

  /// One document of at least two tokens, BOS first. learned [tokens], or empty: every token but the first.
  /// label_bytes: length of the learned tokens' text.
  void add(std::span<const int32_t> tokens, std::span<const uint8_t> learned, int64_t label_bytes);
  const ShardInfo& info() const { return info_; }
  /// Writes the file at once or not at all. Throws Error(io).
  void write(const std::filesystem::path& path) const;

 private:
  ShardInfo info_;
  std::vector<int64_t> borders_ = {0};
  std::vector<int32_t> tokens_;
  std::vector<uint8_t> learned_;
};

class TokenShard {
 public:
  /// Maps and checks a file. Throws Error naming it and what is wrong.
  explicit TokenShard(const std::filesystem::path& path);

  const ShardInfo& info() const { return info_; }
  const std::string& path() const { return file_.path(); }
  /// Length of document i in tokens.
  int64_t length(int64_t i) const { return border(i + 1) - border(i); }
  /// Tokens [first, first + out.size()) of document i. Throws Error(bad_input) for a token outside the
  /// vocabulary.
  void read(int64_t i, int64_t first, std::span<int32_t> out) const;
  /// Whether token `at` of document i is to be learned.
  bool learned(int64_t i, int64_t at) const;

 private:
  int64_t border(int64_t i) const;

  MappedFile file_;
  ShardInfo info_;
  int64_t token_bytes_ = 2, tokens_at_ = 0, learned_at_ = 0;
};

}  // namespace fathom

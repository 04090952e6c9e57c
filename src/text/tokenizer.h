#pragma once
/// Tokenizer: text <-> token ids by byte-level BPE, as the checkpoint's tokenizer.json says.
/// Source: architecture.md section 11 "Tokenizer".

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/utf8_stream.h"

namespace fathom {

/// A stretch of a prompt. Added tokens are found only where they lie wholly in stretches that recognise them:
/// what a user wrote is never markup.
struct TextSegment {
  std::string_view text;
  bool recognise_added = true;
};

/// Const after construction; all methods may be called from any number of threads at once.
class Tokenizer {
 public:
  /// Reads the text of a tokenizer.json; `where` (its path) starts every message. Throws Error naming the
  /// field.
  static std::shared_ptr<const Tokenizer> from_json(std::string_view json, const std::string& where);
  /// Reads a tokenizer.json, or the one in a folder. Throws Error(not_found, io) besides.
  static std::shared_ptr<const Tokenizer> open(const std::filesystem::path& path);
  ~Tokenizer();

  /// Ids of `text`, without BOS. Invalid UTF-8 is read as one U+FFFD per maximal subpart.
  /// @param recognise_added  whether added tokens (markup) in the text become their ids; plain text otherwise
  /// Throws Error(bad_input) if a pattern of the file exceeds the limits on this text.
  std::vector<int32_t> encode(std::string_view text, bool recognise_added) const;
  /// Ids of the segments' texts joined: pieces and merges go across the borders, so that a prompt without
  /// markup in its user text gets the ids of encode(joined, true). Invalid UTF-8 is replaced in each segment
  /// by itself.
  std::vector<int32_t> encode_segments(std::span<const TextSegment> segments) const;

  /// Text of the ids; bytes that are not UTF-8 become U+FFFD, one per maximal subpart.
  /// @param skip_special  leave out the tokens that the file calls special
  /// Throws Error(bad_input) for an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids, bool skip_special) const;

  /// The bytes of one token, possibly part of a character. Throws Error(bad_input) for an id outside.
  std::string_view token_bytes(int32_t id) const;
  /// Whether the file calls the token special. Throws Error(bad_input) for an id outside.
  bool is_special(int32_t id) const;
  /// Ids are 0 .. vocab_size() - 1.
  int32_t vocab_size() const;
  /// Id of an added token by its text (BOS, EOS, markup).
  std::optional<int32_t> id_of(std::string_view added_token) const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Ids in, text out, as they come: whole characters only. All strings together are decode() of all ids.
class TokenStream {
 public:
  TokenStream(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
      : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

  /// The characters that are complete with this token. Throws Error(bad_input) for an id outside.
  std::string push(int32_t id);
  /// What is left of an unfinished character, as U+FFFD.
  std::string finish() { return utf8_.finish(); }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  Utf8Stream utf8_;
};

}  // namespace fathom

#pragma once
/// Texts and conversations to token files: what `fathom data` does.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "text/generation.h"
#include "text/tokenizer.h"

namespace fathom {

struct PrepareOptions {
  int64_t document_tokens = 4096;  ///< longer texts are cut at the last blank line (or line, or space) before
  double validation = 0.02;        ///< share of documents that are held out, by the hash of their text
  Generation generation = Generation::v2026_04;  ///< of the prompt encoding
  std::string licence;                           ///< of the sources, for the manifest
};

/// Counts of one kind of output.
struct PreparedSet {
  int64_t documents = 0, tokens = 0, labels = 0, label_bytes = 0;
};
struct PreparedSource {
  std::string file;
  int64_t bytes = 0, documents = 0;
  uint64_t hash = 0;  ///< XXH64 of the file
};
struct PrepareReport {
  PreparedSet train, validation;
  std::vector<PreparedSource> sources;
};

/// Reads files into `out`: train.tokens, validation.tokens, and data.json (sources, hashes, licence, counts).
/// A .jsonl file has a document a line: {"text"}, or a conversation as `fathom render` reads them:
/// {"messages", "options"}; its labels are the assistant's turns alone. Without options the mode is thinking
/// if a turn has reasoning_content. Any other file is UTF-8 text. Conversations and texts do not mix in one
/// folder. A text's documents begin with BOS; where a text ends, not where it was cut, EOS follows. Throws
/// Error naming file, line and what is wrong: not UTF-8, empty, a line that is no such object.
PrepareReport prepare_data(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                           const std::string& tokenizer_json, const std::filesystem::path& out,
                           const PrepareOptions& options);

}  // namespace fathom

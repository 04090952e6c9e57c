#pragma once
/// Documents that are made as they are drawn: problems and stories that never come again.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "text/tokenizer.h"
#include "train/conversation.h"
#include "train/tasks/task.h"

namespace fathom {

/// Where a recipe's data comes from if not from a file.
struct DataGenerator {
  bool stories = false;  ///< the story grammar instead of problems
  std::string tasks;     ///< families as `fathom data tasks --tasks` has them; empty: all
  TaskMix mix;           ///< levels, shares of the modes, slips

  /// Throws Error(bad_input).
  void check() const;
};

/// A document is a pure function of (seed, stream, index): a run that goes on makes the same ones. Streams do
/// not share documents, but for what a family has few of.
class DocumentMaker {
 public:
  DocumentMaker() = default;
  virtual ~DocumentMaker() = default;
  DocumentMaker(const DocumentMaker&) = delete;
  DocumentMaker& operator=(const DocumentMaker&) = delete;
  virtual TokenDocument make(uint64_t seed, uint64_t stream, uint64_t index) const = 0;
};

/// The documents of `fathom data` on the lines of `fathom data tasks` or `stories`. Held out: problems that
/// training never sees; stories of a stream of their own.
std::shared_ptr<const DocumentMaker> document_maker(const DataGenerator& generator,
                                                    std::shared_ptr<const Tokenizer> tokenizer,
                                                    bool held_out = false);

/// Writes held-out documents of about `tokens` tokens as a token file (token_shard.h).
void write_held_out(const DataGenerator& generator, std::shared_ptr<const Tokenizer> tokenizer,
                    const std::string& tokenizer_json, int64_t tokens, const std::filesystem::path& path);

}  // namespace fathom

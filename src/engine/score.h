#pragma once
/// How well a model predicts a text: negative log-likelihood of every token given those before it.
/// Source: golden/trained/README.md (rows of T - 1 tokens, each after BOS, scored alone).

#include <cstdint>
#include <span>

#include "base/progress.h"
#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

struct ScoreOptions {
  int64_t row = 0;      ///< T: tokens of a row with its BOS, at least 2; 0 = as long as the model reads
  int64_t chunk = 256;  ///< rows of logits that are in memory at a time
  bool mtp = false;     ///< count the MTP block's drafts as well, if there is one
  Progress progress = {};
};

struct TextScore {
  int64_t tokens = 0, rows = 0;
  double nll = 0;     ///< nats, summed over the tokens
  int64_t right = 0;  ///< tokens that were the model's first choice
  /// Drafts of the MTP block: for a token two ahead; how many were the main model's own choice there, and
  /// how many the text's token.
  int64_t drafts = 0, drafts_accepted = 0, drafts_right = 0;

  double nll_per_token() const;
  double perplexity() const;
  /// @param bytes of the text that the tokens are
  double bits_per_byte(int64_t bytes) const;
  /// Shares in [0, 1]; 0 of nothing.
  double top1() const;
  double draft_acceptance() const;
  double draft_accuracy() const;
};

/// Scores text (ids without BOS) in rows of options.row - 1 tokens, each from position 0 after BOS; every
/// token is a target. A row does not depend on how it is cut into chunks. Stops early if progress (tokens)
/// asks to: then `tokens` is less than the text has. Throws Error(bad_input) for a row that is too short or
/// too long for the model and for ids outside the vocabulary, Error(out_of_memory) beyond the runtime's bound
/// (model/memory_limit.h).
template <class Real>
TextScore score_text(Runtime<Real>& runtime, const Model& model, std::span<const int32_t> text,
                     const ScoreOptions& options = {});

}  // namespace fathom

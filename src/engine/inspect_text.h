#pragma once
/// What the model chose while it read a text: experts of every layer, entries of every indexer.
/// Source: architecture.md sections 4 to 6.

#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/model.h"
#include "model/runtime.h"
#include "text/token_kind.h"

namespace fathom {

/// One layer's routing over a text.
struct RoutingSummary {
  int64_t layer = 0;
  bool hash = false;            ///< experts by table
  std::vector<int64_t> tokens;  ///< [E] tokens that each expert handled
  std::vector<double> weight;   ///< [E] mean routing weight where it was chosen, 0 if never
  double entropy_bits = 0;      ///< of the share of choices over the experts; log2(E) if even
  int64_t idle = 0;             ///< experts without a token
  double max_over_mean = 0;     ///< load of the busiest
  /// [E][kTokenKinds] tokens by kind, and [E] tokens that are most the expert's own, the most telling first;
  /// empty without a tokenizer.
  std::vector<std::array<int64_t, kTokenKinds>> kinds;
  std::vector<std::vector<std::string>> typical;
};

/// What the indexer's choice holds of the mass that attention over all visible entries would give to them, at
/// positions [first, 2 first).
struct CaptureRange {
  int64_t first = 0, queries = 0;
  double captured = 0, even = 0;  ///< mean shares: of the choice; of as many entries taken at random
};

/// One layer's attention over a text.
struct AttentionSummary {
  int64_t layer = 0;
  LayerConfig config;
  int64_t entries = 0;  ///< compressed entries at the end
  // Of the indexer, over the tokens that had more visible entries than it takes (CSA):
  int64_t selecting = 0;      ///< tokens that had to choose
  double selected_share = 0;  ///< chosen of visible, mean
  double mean_age = 0;        ///< tokens between a query and the windows of its chosen entries
  double even_age = 0;        ///< the same if all visible entries were chosen: lower means nearer ones
  int64_t distinct = 0;       ///< entries that some token chose
  double entropy_bits = 0;    ///< of the share of choices over the entries; log2(entries) if even
  std::vector<int32_t> last;  ///< entries of the last token
  /// If asked for, over the same tokens: all, and by position in doubling ranges.
  double captured = 0;
  std::vector<CaptureRange> capture;
};

struct TextChoices {
  int64_t tokens = 0;
  std::vector<RoutingSummary> routing;      ///< main layers
  std::vector<AttentionSummary> attention;  ///< main layers
};

struct ChoiceOptions {
  int64_t row = 0;                       ///< tokens of a row, each from an empty state; 0: all in one
  bool capture = false;                  ///< what the indexers' choices hold; costs dense attention
  const Tokenizer* tokenizer = nullptr;  ///< for the kinds of tokens that experts take
  Progress progress;                     ///< tokens
};

/// Reads ids (BOS included; with rows, each gets one). Stops early if progress asks to; `tokens` is then
/// less. Throws Error(bad_input) for ids outside the vocabulary or beyond max_position_embeddings,
/// Error(out_of_memory) beyond the runtime's bound (model/memory_limit.h).
TextChoices inspect_choices(Runtime<float>& runtime, const Model& model, std::span<const int32_t> ids,
                            const ChoiceOptions& options = {});

std::string routing_text(const TextChoices& choices);
std::string routing_json(const TextChoices& choices);
std::string attention_text(const TextChoices& choices);
std::string attention_json(const TextChoices& choices);
/// SVG pictures, one behind the other: load of every expert and the experts of each kind of token; what the
/// indexers' choices hold by position. Empty where there is nothing to show.
std::string routing_pictures(const TextChoices& choices);
std::string capture_picture(const TextChoices& choices);

}  // namespace fathom

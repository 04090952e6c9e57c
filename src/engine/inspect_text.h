#pragma once
/// What the model chose while it read a text: experts of every layer, entries of every indexer.
/// Source: architecture.md sections 4 to 6.

#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "model/model.h"
#include "model/runtime.h"

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
};

struct TextChoices {
  int64_t tokens = 0;
  std::vector<RoutingSummary> routing;      ///< main layers
  std::vector<AttentionSummary> attention;  ///< main layers
};

/// Reads ids (BOS included) from an empty state. Stops early if progress (tokens) asks to; `tokens` is then
/// less. Throws Error(bad_input) for ids outside the vocabulary or beyond max_position_embeddings.
TextChoices inspect_choices(Runtime<float>& runtime, const Model& model, std::span<const int32_t> ids,
                            const Progress& progress = {});

std::string routing_text(const TextChoices& choices);
std::string routing_json(const TextChoices& choices);
std::string attention_text(const TextChoices& choices);
std::string attention_json(const TextChoices& choices);

}  // namespace fathom

#pragma once
/// What a query of a training batch reads: its window and entries, by their places (document_rows.h).

#include <algorithm>
#include <vector>

#include "model/attention/attention.h"

namespace fathom {

/// Ids of one query's rows; kept from query to query so that nothing is allocated anew.
class QueryReads {
 public:
  std::vector<int32_t> window;   ///< KV rows, ascending
  std::vector<int32_t> entries;  ///< entries, ascending

  /// The query at position t of `document`: all visible entries, or those chosen for it.
  void set(const ModelConfig& config, const LayerConfig& layer, const DocumentRows& document, int64_t t,
           const int32_t* chosen, int64_t chosen_width) {
    window.clear();
    for (int64_t p = std::max<int64_t>(0, t - config.sliding_window + 1); p <= t; ++p) {
      window.push_back(static_cast<int32_t>(document.first_kv + p));
    }
    entries.clear();
    if (layer.kind == LayerKind::swa) return;
    const auto add = [&](int64_t i) { entries.push_back(static_cast<int32_t>(document.first_entry + i)); };
    if (!chosen) {
      for (int64_t i = 0; i < (t + 1) / layer.ratio; ++i) add(i);
      return;
    }
    const int32_t* ids = chosen + document.row(t) * chosen_width;
    for (int64_t k = 0; k < chosen_width && ids[k] >= 0; ++k) add(ids[k]);
  }
};

/// The entries that a block of queries reads, ascending, each once.
inline std::vector<int32_t> entries_of_block(const ModelConfig& config, const LayerConfig& layer,
                                             const QueryBlock& block, const int32_t* chosen,
                                             int64_t chosen_width) {
  std::vector<int32_t> out;
  if (layer.kind == LayerKind::swa) return out;
  const int64_t visible = block.end / layer.ratio;
  std::vector<bool> read(static_cast<size_t>(visible), !chosen);
  QueryReads reads;
  for (int64_t t = block.first; chosen && t < block.end; ++t) {
    reads.set(config, layer, block.document, t, chosen, chosen_width);
    for (const int32_t i : reads.entries) read[static_cast<size_t>(i - block.document.first_entry)] = true;
  }
  for (int64_t i = 0; i < visible; ++i) {
    if (read[static_cast<size_t>(i)]) out.push_back(static_cast<int32_t>(block.document.first_entry + i));
  }
  return out;
}

}  // namespace fathom

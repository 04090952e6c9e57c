#pragma once
/// Where the rows and entries of a training batch lie: its spans are whole documents, or the batch is one
/// chunk of a document too long for a batch (design: hard point 1e).

#include <algorithm>
#include <vector>

#include "model/batch.h"
#include "model/config.h"

namespace fathom {

/// Positions [start, end()) of one document are the batch's rows from first_row on; the arrays that its
/// queries read begin earlier.
struct DocumentRows {
  int64_t start = 0, count = 0, first_row = 0;
  int64_t first_kv = 0;      ///< place of position 0 among the KV rows (negative if it is not there)
  int64_t first_pooled = 0;  ///< place of position 0 among the compressor rows (negative likewise)
  int64_t first_entry = 0;   ///< place of entry 0 among the entries of all documents
  int64_t old_entries = 0;   ///< complete before start
  int64_t entries = 0;       ///< complete before end()

  int64_t end() const { return start + count; }
  int64_t row(int64_t position) const { return first_row + position - start; }
};

/// Consecutive queries of one document, positions [first, end).
struct QueryBlock {
  DocumentRows document;
  int64_t first = 0, end = 0;
};

/// What the queries of one layer's batch can read.
struct BatchRows {
  std::vector<DocumentRows> documents;
  int64_t rows = 0, kv_before = 0, pooled_before = 0, entries = 0;
  int64_t new_entries = 0;  ///< completed by this batch

  /// @param start position of the first row: 0, or that of a chunk, which is the batch's only span
  BatchRows(const Batch& batch, const ModelConfig& config, const LayerConfig& layer, int64_t start) {
    const bool compressed = layer.kind != LayerKind::swa;
    const int64_t m = compressed ? layer.ratio : 1;
    kv_before = std::min(start, config.sliding_window - 1);
    if (compressed) pooled_before = start - std::max<int64_t>(0, (start / m + 1 - layer.overlap()) * m);
    for (const Span& span : batch.spans) {
      DocumentRows d;
      d.start = start;
      d.count = span.count;
      d.first_row = span.first_row;
      d.first_kv = span.first_row + kv_before - start;
      d.first_pooled = span.first_row + pooled_before - start;
      d.first_entry = entries;
      if (compressed) {
        d.old_entries = start / m;
        d.entries = d.end() / m;
      }
      rows += d.count;
      entries += d.entries;
      new_entries += d.entries - d.old_entries;
      documents.push_back(d);
    }
  }

  /// All queries in blocks of a constant size: sums over queries are sums of these blocks' sums, in order,
  /// so that they depend neither on threads nor on what else is in the batch.
  std::vector<QueryBlock> query_blocks() const {
    constexpr int64_t kQueries = 64;
    std::vector<QueryBlock> out;
    for (const DocumentRows& d : documents) {
      for (int64_t first = d.start, end = 0; first < d.end(); first = end) {
        end = std::min(d.end(), (first / kQueries + 1) * kQueries);
        out.push_back({d, first, end});
      }
    }
    return out;
  }
};

}  // namespace fathom

#pragma once
/// Where the rows and entries of a training batch lie: its spans are whole documents, each from position 0.

#include <vector>

#include "model/batch.h"
#include "model/config.h"

namespace fathom {

/// One document: rows [first_row, first_row + count) of the batch, entries [first_entry, first_entry +
/// entries) of the layer's, which are those of all documents in order.
struct DocumentRows {
  int64_t first_row = 0, count = 0, first_entry = 0, entries = 0;
};

/// Consecutive queries of one document, positions [first, first + count).
struct QueryBlock {
  DocumentRows document;
  int64_t first = 0, count = 0;
};

/// What the queries of one layer can read.
struct BatchRows {
  std::vector<DocumentRows> documents;
  int64_t rows = 0, entries = 0;

  /// @param ratio m of the layer, 0 for one without entries
  BatchRows(const Batch& batch, int64_t ratio) {
    for (const Span& span : batch.spans) {
      const int64_t complete = ratio > 0 ? span.count / ratio : 0;
      documents.push_back({span.first_row, span.count, entries, complete});
      rows += span.count;
      entries += complete;
    }
  }

  /// All queries in blocks of a constant size: sums over queries are sums of these blocks' sums, in order,
  /// so that they depend neither on threads nor on what else is in the batch.
  std::vector<QueryBlock> query_blocks() const {
    constexpr int64_t kQueries = 64;
    std::vector<QueryBlock> out;
    for (const DocumentRows& d : documents) {
      for (int64_t first = 0; first < d.count; first += kQueries) {
        out.push_back({d, first, first + kQueries < d.count ? kQueries : d.count - first});
      }
    }
    return out;
  }
};

}  // namespace fathom

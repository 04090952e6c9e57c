#pragma once
/// A batch of tokens of one or several sequences: continuous batching and packed training rows alike.

#include <cstdint>
#include <span>
#include <vector>

#include "model/kv_state.h"

namespace fathom {

enum class LogitRows : uint8_t { none, last, all };

/// `count` consecutive tokens of one sequence, from its state's position on.
struct Span {
  KvState* kv = nullptr;
  int64_t first_row = 0;  ///< its first row in the batch
  int64_t count = 0;
  LogitRows logits = LogitRows::last;
};

/// Which part of a sequence's state a block works on.
struct LayerSlot {
  int64_t index = 0;  ///< layer, or draft block
  bool draft = false;
  LayerKv& of(KvState& kv) const { return draft ? kv.draft(index) : kv.layer(index); }
};

struct Batch {
  std::vector<int32_t> tokens;  ///< [rows]
  std::vector<Span> spans;      ///< cover the rows in order, each state at most once

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  /// Appends a span.
  void add(KvState& kv, std::span<const int32_t> ids, LogitRows logits = LogitRows::last) {
    spans.push_back({&kv, rows(), static_cast<int64_t>(ids.size()), logits});
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  }
  int64_t logit_rows() const {
    int64_t sum = 0;
    for (const Span& s : spans)
      sum += s.logits == LogitRows::none ? 0 : s.logits == LogitRows::last ? 1 : s.count;
    return sum;
  }
};

}  // namespace fathom

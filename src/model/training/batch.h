#pragma once
/// What one optimizer step learns from: documents with labels. Source: architecture.md section 13.

#include <cstdint>
#include <vector>

namespace fathom {

inline constexpr int32_t kNoLabel = -100;  ///< a masked position

/// A document is a sequence of its own: attention, compression windows and indexer start with it. A packed
/// row is several documents.
struct TrainingDocument {
  std::vector<int32_t> tokens;  ///< [T]
  std::vector<int32_t> labels;  ///< [T], labels[t] belongs to logits[t] (already shifted); kNoLabel: masked
  std::vector<int32_t> mtp_labels;  ///< [T-1], row t predicts token t+2; empty: labels[t+1]
  std::vector<float> weights;       ///< [T] factors of the labels' losses; empty: all 1. Means are still over
                                    ///< the number of labels.

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int32_t mtp_label(int64_t t) const {
    return mtp_labels.empty() ? labels[static_cast<size_t>(t + 1)] : mtp_labels[static_cast<size_t>(t)];
  }
  float weight(int64_t t) const { return weights.empty() ? 1.0f : weights[static_cast<size_t>(t)]; }
};

using TrainingBatch = std::vector<TrainingDocument>;

}  // namespace fathom

#pragma once
/// The rows of a batch that have a label.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/batch.h"
#include "model/training/batch.h"

namespace fathom {

struct LabelRows {
  std::vector<int64_t> rows;      ///< of the batch, ascending
  std::vector<int32_t> labels;    ///< of each
  std::vector<float> weights;     ///< of each one's loss
  std::vector<size_t> documents;  ///< index in the training batch
  std::vector<int64_t> positions;

  /// Positions [from, to) (as far as they exist) of documents [first, last) of `batch`, which are the spans
  /// of `of` in order; for MTP all but each document's last row, and no span for a document without any
  /// other.
  LabelRows(size_t first, size_t last, int64_t from, int64_t to, const TrainingBatch& batch, const Batch& of,
            bool mtp) {
    size_t span = 0;
    for (size_t i = first; i < last; ++i) {
      const TrainingDocument& d = batch[i];
      const int64_t end = std::min(to, d.size() - (mtp ? 1 : 0));
      if (from >= end) continue;
      const int64_t first_row = of.spans[span++].first_row;
      for (int64_t t = from; t < end; ++t) {
        const int32_t label = mtp ? d.mtp_label(t) : d.labels[static_cast<size_t>(t)];
        if (label == kNoLabel) continue;
        rows.push_back(first_row + t - from);
        labels.push_back(label);
        weights.push_back(d.weight(mtp ? t + 1 : t));
        documents.push_back(i);
        positions.push_back(t);
      }
    }
  }
};

}  // namespace fathom

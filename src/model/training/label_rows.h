#pragma once
/// The rows of a batch that have a label.

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

  /// Documents [first, last) of `batch`, whose tokens are the spans of `rows`; for MTP all but the last row
  /// of each, and only documents that have at least two.
  LabelRows(size_t first, size_t last, const TrainingBatch& batch, const Batch& of, bool mtp) {
    size_t span = 0;
    for (size_t i = first; i < last; ++i) {
      const TrainingDocument& d = batch[i];
      if (mtp && d.size() < 2) continue;
      const int64_t first_row = of.spans[span++].first_row;
      for (int64_t t = 0; t < d.size() - (mtp ? 1 : 0); ++t) {
        const int32_t label = mtp ? d.mtp_label(t) : d.labels[static_cast<size_t>(t)];
        if (label == kNoLabel) continue;
        rows.push_back(first_row + t);
        labels.push_back(label);
        weights.push_back(d.weight(mtp ? t + 1 : t));
        documents.push_back(i);
        positions.push_back(t);
      }
    }
  }
};

}  // namespace fathom

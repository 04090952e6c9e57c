#pragma once
/// Softmax cross-entropy over a vocabulary in blocks, so that all logits never exist at once.
/// Source: architecture.md section 13.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/target.h"

namespace fathom {

/// Takes a block of logits [rows, cols] (rows `stride` apart) into each row's running softmax.
///
/// @param max [rows] largest logit so far, -infinity before the first block
/// @param sum [rows] sum of exp(logit - max) so far, 0 before the first block
/// Order: 16 lanes along the columns and a fixed tree per block, the blocks as they come.
template <class Real>
using SoftmaxSums = void(const Real* logits, int64_t rows, int64_t stride, int64_t cols, Real* max,
                         Real* sum);

/// logits[t][j] = factor[t] * (exp(logits[t][j] - max[t]) / sum[t] - (j == label[t])), in place.
///
/// @param label [rows] column of the row's label in this block; any other number if it is not there
/// @param factor [rows] weight of the row's loss over the number of labels
template <class Real>
using CrossEntropyBackward = void(Real* logits, int64_t rows, int64_t stride, int64_t cols, const Real* max,
                                  const Real* sum, const int64_t* label, const Real* factor);

template <class Real>
void softmax_sums_reference(const Real* logits, int64_t rows, int64_t stride, int64_t cols, Real* max,
                            Real* sum) {
  if (cols == 0) return;
  for (int64_t t = 0; t < rows; ++t, logits += stride) {
    const Real most = std::max(max[t], *std::max_element(logits, logits + cols));
    Real total = 0;
    for (int64_t j = 0; j < cols; ++j) total += std::exp(logits[j] - most);
    sum[t] = sum[t] * std::exp(max[t] - most) + total;
    max[t] = most;
  }
}

template <class Real>
void cross_entropy_backward_reference(Real* logits, int64_t rows, int64_t stride, int64_t cols,
                                      const Real* max, const Real* sum, const int64_t* label,
                                      const Real* factor) {
  for (int64_t t = 0; t < rows; ++t, logits += stride) {
    for (int64_t j = 0; j < cols; ++j) {
      const Real p = std::exp(logits[j] - max[t]) * (1 / sum[t]);
      logits[j] = factor[t] * (j == label[t] ? p - 1 : p);
    }
  }
}

/// The bodies for a target.
SoftmaxSums<float>* softmax_sums_for(Target target);
CrossEntropyBackward<float>* cross_entropy_backward_for(Target target);

}  // namespace fathom

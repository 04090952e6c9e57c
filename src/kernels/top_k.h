#pragma once
/// Selection of the k largest, ties to the lowest index (architecture.md, "Ties").

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kernels/target.h"

namespace fathom {

/// Writes the indices of the min(k, count) largest scores to ids, ascending by index; among equal scores the
/// lowest index is taken. NaN counts as smaller than everything. Returns how many were written.
template <class Real>
using TopK = int64_t(const Real* scores, int64_t count, int64_t k, int32_t* ids);

template <class Real>
int64_t top_k_reference(const Real* scores, int64_t count, int64_t k, int32_t* ids) {
  const int64_t taken = std::min(k, count);
  std::vector<int32_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](int32_t a, int32_t b) {
    const bool nan_a = scores[a] != scores[a], nan_b = scores[b] != scores[b];
    if (nan_a != nan_b) return nan_b;
    if (!nan_a && scores[a] != scores[b]) return scores[a] > scores[b];
    return a < b;
  };
  std::nth_element(order.begin(), order.begin() + taken, order.end(), before);
  std::copy_n(order.begin(), taken, ids);
  std::sort(ids, ids + taken);
  return taken;
}

/// The body for a target.
TopK<float>* top_k_for(Target target);

}  // namespace fathom

#pragma once
/// Sums of gradients of rows that many queries read (KV rows, entries, indexer keys): every block of queries
/// has its own sums, and these are added in the order of the blocks.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "model/context.h"

namespace fathom {

/// One block's sums for the rows `ids`, ascending, of a whole [rows, dim].
template <class Real>
struct PartialRows {
  std::vector<int32_t> ids;
  Real* sums = nullptr;  ///< [ids, dim]

  int64_t size() const { return static_cast<int64_t>(ids.size()); }
  /// Where `id`, one of the ids, is in sums.
  int64_t place(int32_t id) const {
    if (ids.back() - ids.front() + 1 == size()) return id - ids.front();
    return std::lower_bound(ids.begin(), ids.end(), id) - ids.begin();
  }
};

/// total [rows, dim] += the sums of all blocks, block after block.
template <class Real>
void add_partial_rows(const Context<Real>& ctx, std::span<const PartialRows<Real>> blocks, Mat<Real> total);

/// Calls f(first, last) for runs of blocks whose partial sums fit a bounded memory, in order; bytes(i) is
/// that of block i. Where the runs end changes no bit of the sums.
template <class Bytes, class F>
void for_block_runs(int64_t blocks, const Bytes& bytes, const F& f) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  for (int64_t first = 0, last = 0; first < blocks; first = last) {
    int64_t sum = 0;
    do sum += bytes(last++);
    while (last < blocks && sum + bytes(last) <= kBytes);
    f(first, last);
  }
}

}  // namespace fathom

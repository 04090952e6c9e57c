#include "model/attention/partial_rows.h"

#include "model/instantiate.h"

namespace fathom {

template <class Real>
void add_partial_rows(const Context<Real>& ctx, std::span<const PartialRows<Real>> blocks, Mat<Real> total) {
  constexpr int64_t kRows = 64;  // threads split the rows of the total, never a sum
  ctx.parallel_for(total.rows, kRows, [&](int64_t first, int64_t last) {
    for (const PartialRows<Real>& block : blocks) {
      auto id = std::lower_bound(block.ids.begin(), block.ids.end(), static_cast<int32_t>(first));
      const Real* from = block.sums + (id - block.ids.begin()) * total.cols;
      for (; id != block.ids.end() && *id < last; ++id, from += total.cols) {
        Real* to = total.row(*id);
        for (int64_t c = 0; c < total.cols; ++c) to[c] += from[c];
      }
    }
  });
}

FATHOM_INSTANTIATE(add_partial_rows);

}  // namespace fathom

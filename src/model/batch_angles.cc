#include "model/batch_angles.h"

#include "model/instantiate.h"

namespace fathom {

template <class Real>
BatchAngles<Real> batch_angles(const Context<Real>& ctx, const RopeTables& rope, const Batch& batch,
                               LayerSlot slot) {
  const int64_t pairs = rope.main.pairs(), rows = batch.rows();
  const BatchAngles<Real> a{ctx.scratch(rows, pairs), ctx.scratch(rows, pairs), ctx.scratch(rows, pairs),
                            ctx.scratch(rows, pairs)};
  for (const Span& span : batch.spans) {
    const int64_t start = slot.of(*span.kv).position();
    ctx.parallel_rows(span.count, pairs * 64, [&](int64_t first, int64_t last) {
      for (int64_t t = first; t < last; ++t) {
        const int64_t row = span.first_row + t;
        rope.main.angles(start + t, a.main_cos.row(row), a.main_sin.row(row));
        rope.compress.angles(start + t, a.compress_cos.row(row), a.compress_sin.row(row));
      }
    });
  }
  return a;
}
FATHOM_INSTANTIATE(batch_angles);

}  // namespace fathom

#include "model/embedding.h"

#include <algorithm>

#include "base/error.h"
#include "formats/decode.h"
#include "model/instantiate.h"

namespace fathom {

template <class Real>
Mat<Real> embed(const Context<Real>& ctx, const WeightView& table, std::span<const int32_t> tokens) {
  const Mat<Real> x = ctx.scratch(static_cast<int64_t>(tokens.size()), table.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    const int32_t id = tokens[static_cast<size_t>(t)];
    if (id < 0 || id >= table.rows) {
      bad_input("token {}: expected an id below {}, found {}", t, table.rows, id);
    }
    decode_row(table, id, x.row(t));
  }
  return x;
}

template <class Real>
void copy_to_streams(const Context<Real>& ctx, Mat<const Real> x, Mat<Real> streams) {
  ctx.parallel_rows(x.rows, streams.cols, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      for (int64_t i = 0; i < streams.cols; i += x.cols) std::copy_n(x.row(t), x.cols, streams.row(t) + i);
    }
  });
}

template <class Real>
void embed_backward(const Context<Real>& ctx, std::span<const int32_t> tokens, int64_t copies,
                    Mat<const Real> dx, Mat<Real> grad) {
  if (!grad.data) return;
  const auto rows = static_cast<int64_t>(tokens.size());
  // Threads split columns: a token may come in any row.
  ctx.parallel_rows(grad.cols, rows * (copies + 1), [&](int64_t first, int64_t last) {
    for (int64_t t = 0; t < rows; ++t) {
      Real* out = grad.row(tokens[static_cast<size_t>(t)]);
      for (int64_t c = first; c < last; ++c) {
        Real sum = 0;
        for (int64_t i = 0; i < copies; ++i) sum += dx.row(t)[i * grad.cols + c];
        out[c] += sum;
      }
    }
  });
}
FATHOM_INSTANTIATE(embed);
FATHOM_INSTANTIATE(copy_to_streams);
FATHOM_INSTANTIATE(embed_backward);

}  // namespace fathom

#include "model/attention/saved_rows.h"

#include <cstring>

#include "base/error.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// The entries (or keys) of all documents, one behind the other.
template <class Real, class Rows>
const std::byte* gather_entries(const Context<Real>& ctx, const BatchRows& in, const Batch& batch,
                                const Rows& rows_of) {
  const int64_t bytes = rows_of(*batch.spans.front().kv).row_bytes();
  auto* out = ctx.arena().template allocate<std::byte>(in.entries * bytes);
  for (size_t i = 0; i < in.documents.size(); ++i) {
    const DocumentRows& document = in.documents[i];
    const PagedRows& rows = rows_of(*batch.spans[i].kv);
    for (int64_t k = 0; k < document.entries; k += rows.run(k)) {
      std::memcpy(out + (document.first_entry + k) * bytes, rows.row(k),
                  static_cast<size_t>(rows.run(k) * bytes));
    }
  }
  return out;
}

// The `before` rows that a state holds of the positions before `start`, then `own`; own itself if there are
// none.
template <class Real, class Row>
const std::byte* with_earlier(const Context<Real>& ctx, int64_t start, int64_t before, const std::byte* own,
                              int64_t rows, int64_t bytes, const Row& row) {
  if (before == 0) return own;
  auto* out = ctx.arena().template allocate<std::byte>((before + rows) * bytes);
  for (int64_t i = 0; i < before; ++i) {
    std::memcpy(out + i * bytes, row(start - before + i), static_cast<size_t>(bytes));
  }
  std::memcpy(out + before * bytes, own, static_cast<size_t>(rows * bytes));
  return out;
}

template <class Real, class Row>
Mat<Real> with_earlier(const Context<Real>& ctx, int64_t start, int64_t before, Mat<Real> own,
                       const Row& row) {
  if (before == 0 || !own.data) return own;
  const Mat<Real> out = ctx.scratch(before + own.rows, own.cols);
  for (int64_t i = 0; i < out.rows; ++i) {
    const void* from = i < before ? static_cast<const void*>(row(start - before + i)) : own.row(i - before);
    std::memcpy(out.row(i), from, static_cast<size_t>(own.cols) * sizeof(Real));
  }
  return out;
}

}  // namespace

template <class Real>
void save_rows(const Context<Real>& ctx, const ModelConfig& config, const LayerConfig& layer, LayerSlot slot,
               const Batch& batch, const std::byte* kv, Mat<Real> main_rows, Mat<Real> index_rows,
               AttentionSaved<Real>& saved) {
  if (batch.spans.empty()) return;
  const LayerKv& first = slot.of(*batch.spans.front().kv);
  saved.start = first.position();
  for (const Span& span : batch.spans) {
    FATHOM_CHECK(slot.of(*span.kv).position() == 0 || batch.spans.size() == 1);
  }
  const BatchRows in(batch, config, layer, saved.start);
  saved.kv = with_earlier(ctx, saved.start, in.kv_before, kv, in.rows, first.shape().window_row_bytes(),
                          [&](int64_t p) { return first.window_row(p); });
  saved.main_rows = with_earlier(ctx, saved.start, in.pooled_before, main_rows,
                                 [&](int64_t p) { return first.compressor_row(p); });
  saved.index_rows = with_earlier(ctx, saved.start, in.pooled_before, index_rows,
                                  [&](int64_t p) { return first.index_compressor_row(p); });
  if (layer.kind == LayerKind::swa) return;
  saved.entries = gather_entries(
      ctx, in, batch, [&](KvState& state) -> const PagedRows& { return slot.of(state).entries(); });
  if (!index_rows.data) return;
  saved.index_keys = gather_entries(
      ctx, in, batch, [&](KvState& state) -> const PagedRows& { return slot.of(state).index_keys(); });
}

FATHOM_INSTANTIATE(save_rows);

}  // namespace fathom

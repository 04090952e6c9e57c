#pragma once
/// One layer's part of a sequence's state: raw window, unfinished compressor windows, entries, indexer keys,
/// and snapshots from which earlier positions can be restored. Source: architecture.md sections 4 and 12;
/// design: hard point 10.

#include <deque>
#include <functional>

#include "model/config.h"
#include "model/kv_pages.h"
#include "model/numerics.h"
#include "model/row_ring.h"

namespace fathom {

/// Row sizes and capacities of a layer's state.
struct LayerKvShape {
  static constexpr int64_t kSnapshotInterval = 8192;  ///< tokens between snapshots that are kept for good

  LayerConfig layer;
  int64_t window = 0;       ///< W
  int64_t page_tokens = 0;  ///< tokens a page of entries covers
  RowType row_type = RowType::f32;
  int64_t kv_dim = 0;        ///< d
  int64_t index_dim = 0;     ///< dI, CSA only
  int64_t scalar_bytes = 4;  ///< of compressor rows: 4 (float model) or 8 (double model)

  /// Compressor rows hold values [c*dim] then gates [c*dim] (ape included).
  int64_t compressor_row_bytes() const {
    return layer.kind == LayerKind::swa ? 0 : 2 * layer.overlap() * kv_dim * scalar_bytes;
  }
  int64_t index_compressor_row_bytes() const {
    return layer.kind == LayerKind::csa ? 2 * layer.overlap() * index_dim * scalar_bytes : 0;
  }
  int64_t window_row_bytes() const { return kv_dim * row_type_bytes(row_type); }
  int64_t index_row_bytes() const {
    return layer.kind == LayerKind::csa ? index_dim * row_type_bytes(row_type) : 0;
  }
  /// Whether the snapshot at this page border is kept for good: the first at or past each multiple of the
  /// interval (pages of some ratios do not divide it).
  bool kept_for_good(int64_t border) const {
    return border / kSnapshotInterval != (border - page_tokens) / kSnapshotInterval;
  }
  /// First compressor row that a window unfinished at position p still needs.
  int64_t first_needed_row(int64_t p) const {
    const int64_t first = p / layer.ratio * layer.ratio - (layer.overlap() - 1) * layer.ratio;
    return first > 0 ? first : 0;
  }
};

/// Writes a row of `dim` elements of `type`.
using RowFill = std::function<void(RowType type, int64_t dim, std::byte* out)>;

/// Bytes of a state by part; entries and index_keys count whole pages.
struct KvBytes {
  int64_t window = 0, compressor = 0, entries = 0, index_keys = 0, snapshots = 0;
  int64_t total() const { return window + compressor + entries + index_keys + snapshots; }
  KvBytes& operator+=(const KvBytes& o);
  bool operator==(const KvBytes&) const = default;
};

class LayerKv {
 public:
  static constexpr int64_t kTail = 64;  ///< positions that truncate() can always take back

  explicit LayerKv(const LayerKvShape& shape);

  const LayerKvShape& shape() const { return shape_; }
  int64_t position() const { return window_.end(); }
  const std::byte* window_row(int64_t position) const { return window_.row(position); }
  const std::byte* compressor_row(int64_t position) const { return compressor_.row(position); }
  const std::byte* index_compressor_row(int64_t position) const { return index_compressor_.row(position); }
  PagedRows& entries() { return entries_; }
  const PagedRows& entries() const { return entries_; }
  PagedRows& index_keys() { return index_keys_; }
  const PagedRows& index_keys() const { return index_keys_; }

  /// Drops entries of a forward pass that did not reach append() (an exception in between).
  void drop_unfinished();
  /// Takes the rows of the next `count` positions and makes the snapshots due within them. The entries of the
  /// windows that they complete must have been added before.
  void append(const std::byte* window_rows, const std::byte* compressor_rows, const std::byte* index_rows,
              int64_t count);
  /// Takes `count` positions whose rows, entries and index keys `fill` makes up.
  void append_filled(int64_t count, const RowFill& fill);
  /// The greatest q <= p to which this layer can be cut.
  int64_t held(int64_t p) const;
  /// Cuts to p, which must be held(p) == p.
  void truncate(int64_t p);

  KvBytes bytes() const;

  /// Serialised form appended to `out`; load() checks every size and throws Error(bad_input).
  void save(std::vector<std::byte>& out) const;
  void load(const std::byte*& data, const std::byte* end);

 private:
  struct Snapshot {
    int64_t position = 0;
    std::vector<std::byte> window, compressor, index_compressor;
    int64_t bytes() const {
      return static_cast<int64_t>(window.size() + compressor.size() + index_compressor.size());
    }
  };
  int64_t first_window_row(int64_t p) const { return p > shape_.window ? p - shape_.window : 0; }

  LayerKvShape shape_;
  RowRing window_, compressor_, index_compressor_;
  PagedRows entries_, index_keys_;
  std::deque<Snapshot> snapshots_;  // ascending positions
};

}  // namespace fathom

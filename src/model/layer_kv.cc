#include "model/layer_kv.h"

#include <algorithm>
#include <limits>

namespace fathom {
namespace {

void put(std::vector<std::byte>& out, const std::byte* data, size_t size) {
  out.insert(out.end(), data, data + size);
}
void put_int(std::vector<std::byte>& out, int64_t value) {
  put(out, reinterpret_cast<const std::byte*>(&value), sizeof value);
}

const std::byte* take(const std::byte*& data, const std::byte* end, int64_t size) {
  if (size < 0 || size > end - data) {
    bad_input("saved state: expected {} bytes more, found {}", size, static_cast<int64_t>(end - data));
  }
  const std::byte* out = data;
  data += size;
  return out;
}
int64_t take_int(const std::byte*& data, const std::byte* end, const char* what, int64_t low, int64_t high) {
  int64_t value = 0;
  std::memcpy(&value, take(data, end, sizeof value), sizeof value);
  if (value < low || value > high) {
    bad_input("saved state: {}: expected {} to {}, found {}", what, low, high, value);
  }
  return value;
}

// Rows [first, end) of a ring that is about to receive `chunk` (positions ring.end()..).
std::vector<std::byte> copy_rows(const RowRing& ring, const std::byte* chunk, int64_t first, int64_t end) {
  std::vector<std::byte> out;
  out.reserve(static_cast<size_t>((end - first) * ring.row_bytes()));
  for (int64_t p = first; p < end; ++p) {
    put(out, p < ring.end() ? ring.row(p) : chunk + (p - ring.end()) * ring.row_bytes(),
        static_cast<size_t>(ring.row_bytes()));
  }
  return out;
}

void save_ring(const RowRing& ring, std::vector<std::byte>& out) {
  put_int(out, ring.first());
  for (int64_t p = ring.first(); p < ring.end(); ++p)
    put(out, ring.row(p), static_cast<size_t>(ring.row_bytes()));
}
void load_ring(RowRing& ring, const std::byte*& data, const std::byte* end, int64_t position,
               int64_t needed) {
  const int64_t first = take_int(data, end, "first row", std::max<int64_t>(0, position - ring.capacity()),
                                 std::min(needed, position));
  ring.reset(first);
  ring.append(take(data, end, (position - first) * ring.row_bytes()), position - first);
}

void save_rows(const PagedRows& rows, std::vector<std::byte>& out) {
  for (int64_t i = 0; i < rows.size(); i += rows.run(i)) {
    put(out, rows.row(i), static_cast<size_t>(rows.run(i) * rows.row_bytes()));
  }
}
void load_rows(PagedRows& rows, const std::byte*& data, const std::byte* end, int64_t count) {
  if (rows.row_bytes() > 0 && count > (end - data) / rows.row_bytes()) {
    bad_input("saved state: expected {} rows of {} bytes, found {} bytes", count, rows.row_bytes(),
              static_cast<int64_t>(end - data));
  }
  rows.truncate(0);
  rows.extend(count);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(rows.mutable_row(i), take(data, end, rows.row_bytes()),
                static_cast<size_t>(rows.row_bytes()));
  }
}

}  // namespace

KvBytes& KvBytes::operator+=(const KvBytes& o) {
  window += o.window;
  compressor += o.compressor;
  entries += o.entries;
  index_keys += o.index_keys;
  snapshots += o.snapshots;
  return *this;
}

LayerKv::LayerKv(const LayerKvShape& shape)
    : shape_(shape), window_(shape.window_row_bytes(), shape.window + kTail) {
  if (shape.layer.kind == LayerKind::swa) return;
  const int64_t capacity = shape.layer.overlap() * shape.layer.ratio + kTail;
  compressor_ = RowRing(shape.compressor_row_bytes(), capacity);
  const int64_t per_page = std::max<int64_t>(1, shape.page_tokens / shape.layer.ratio);
  entries_ = PagedRows(shape.window_row_bytes(), per_page);
  if (shape.layer.kind == LayerKind::csa) {
    index_compressor_ = RowRing(shape.index_compressor_row_bytes(), capacity);
    index_keys_ = PagedRows(shape.index_row_bytes(), per_page);
  }
}

void LayerKv::drop_unfinished() {
  if (shape_.layer.kind == LayerKind::swa) return;
  const int64_t complete = position() / shape_.layer.ratio;
  if (entries_.size() > complete) entries_.truncate(complete);
  if (index_keys_.size() > complete) index_keys_.truncate(complete);
}

void LayerKv::append(const std::byte* window_rows, const std::byte* compressor_rows,
                     const std::byte* index_rows, int64_t count) {
  const int64_t start = position(), end = start + count, page = shape_.page_tokens;
  const bool compressed = shape_.layer.kind != LayerKind::swa, indexed = shape_.layer.kind == LayerKind::csa;
  for (int64_t border = (start / page + 1) * page; border <= end; border += page) {
    if (!shape_.kept_for_good(border) && border + 2 * page <= end)
      continue;  // older than the last two borders
    Snapshot s;
    s.position = border;
    s.window = copy_rows(window_, window_rows, first_window_row(border), border);
    if (compressed) {
      s.compressor = copy_rows(compressor_, compressor_rows, shape_.first_needed_row(border), border);
    }
    if (indexed) {
      s.index_compressor = copy_rows(index_compressor_, index_rows, shape_.first_needed_row(border), border);
    }
    snapshots_.push_back(std::move(s));
  }
  std::erase_if(snapshots_, [&](const Snapshot& s) {
    return !shape_.kept_for_good(s.position) && s.position + 2 * page <= end;
  });
  window_.append(window_rows, count);
  if (compressed) compressor_.append(compressor_rows, count);
  if (indexed) index_compressor_.append(index_rows, count);
}

void LayerKv::append_filled(int64_t count, const RowFill& fill) {
  const LayerKvShape& s = shape_;
  const bool compressed = s.layer.kind != LayerKind::swa, indexed = s.layer.kind == LayerKind::csa;
  const RowType scalar = s.scalar_bytes == 8 ? RowType::f64 : RowType::f32;
  constexpr int64_t kPiece = 128;  // positions: small buffers, so that memory in use is the state's
  const auto buffer = [&](int64_t row_bytes) {
    return std::vector<std::byte>(static_cast<size_t>(std::min(count, kPiece) * row_bytes));
  };
  auto window = buffer(s.window_row_bytes()), compressor = buffer(s.compressor_row_bytes()),
       index_compressor = buffer(s.index_compressor_row_bytes());
  const auto fill_all = [&](std::vector<std::byte>& rows, RowType type, int64_t dim) {
    const auto bytes = static_cast<size_t>(dim * row_type_bytes(type));
    for (size_t at = 0; bytes > 0 && at < rows.size(); at += bytes) fill(type, dim, rows.data() + at);
  };
  const auto extend = [&](PagedRows& rows, int64_t size, int64_t dim) {
    const int64_t first = rows.size();
    rows.extend(size - first);
    for (int64_t i = first; i < size; ++i) fill(s.row_type, dim, rows.mutable_row(i));
  };
  drop_unfinished();
  for (int64_t done = 0; done < count; done += kPiece) {
    const int64_t piece = std::min(kPiece, count - done);
    fill_all(window, s.row_type, s.kv_dim);
    if (compressed) {
      fill_all(compressor, scalar, s.compressor_row_bytes() / s.scalar_bytes);
      extend(entries_, (position() + piece) / s.layer.ratio, s.kv_dim);
    }
    if (indexed) {
      fill_all(index_compressor, scalar, s.index_compressor_row_bytes() / s.scalar_bytes);
      extend(index_keys_, (position() + piece) / s.layer.ratio, s.index_dim);
    }
    append(window.data(), compressor.data(), index_compressor.data(), piece);
  }
}

int64_t LayerKv::held(int64_t p) const {
  const auto in_tail = [&](int64_t q) {
    if (q > position() || window_.first() > first_window_row(q)) return false;
    if (shape_.layer.kind == LayerKind::swa) return true;
    return compressor_.first() <= shape_.first_needed_row(q);
  };
  p = std::min(p, position());
  if (in_tail(p)) return p;
  int64_t best = 0;  // an empty state is always held
  for (const Snapshot& s : snapshots_) {
    if (s.position <= p) best = s.position;
  }
  return best;
}

void LayerKv::truncate(int64_t p) {
  FATHOM_CHECK(held(p) == p);
  const bool compressed = shape_.layer.kind != LayerKind::swa;
  const bool tail = p <= position() && window_.first() <= first_window_row(p) &&
                    (!compressed || compressor_.first() <= shape_.first_needed_row(p)) &&
                    p >= window_.first();
  if (tail) {
    window_.truncate(p);
    if (compressed) compressor_.truncate(p);
    if (index_compressor_.row_bytes() > 0) index_compressor_.truncate(p);
  } else {
    const auto it =
        std::find_if(snapshots_.begin(), snapshots_.end(), [&](const auto& s) { return s.position == p; });
    const auto restore = [&](RowRing& ring, const std::vector<std::byte>* rows) {
      const int64_t count = rows ? static_cast<int64_t>(rows->size()) / ring.row_bytes() : 0;
      ring.reset(p - count);
      if (rows) ring.append(rows->data(), count);
    };
    const Snapshot* s = it == snapshots_.end() ? nullptr : &*it;
    FATHOM_CHECK(s || p == 0);
    restore(window_, s ? &s->window : nullptr);
    if (compressed) restore(compressor_, s ? &s->compressor : nullptr);
    if (index_compressor_.row_bytes() > 0) restore(index_compressor_, s ? &s->index_compressor : nullptr);
  }
  std::erase_if(snapshots_, [&](const Snapshot& s) { return s.position > p; });
  drop_unfinished();
}

KvBytes LayerKv::bytes() const {
  KvBytes b;
  b.window = window_.bytes();
  b.compressor = compressor_.bytes() + index_compressor_.bytes();
  b.entries = entries_.bytes();
  b.index_keys = index_keys_.bytes();
  for (const Snapshot& s : snapshots_) b.snapshots += s.bytes();
  return b;
}

void LayerKv::save(std::vector<std::byte>& out) const {
  put_int(out, position());
  save_ring(window_, out);
  if (compressor_.row_bytes() > 0) save_ring(compressor_, out);
  if (index_compressor_.row_bytes() > 0) save_ring(index_compressor_, out);
  save_rows(entries_, out);
  save_rows(index_keys_, out);
  put_int(out, static_cast<int64_t>(snapshots_.size()));
  for (const Snapshot& s : snapshots_) {
    put_int(out, s.position);
    put(out, s.window.data(), s.window.size());
    put(out, s.compressor.data(), s.compressor.size());
    put(out, s.index_compressor.data(), s.index_compressor.size());
  }
}

void LayerKv::load(const std::byte*& data, const std::byte* end) {
  constexpr int64_t kMaxPosition = int64_t{1} << 40;
  const int64_t p = take_int(data, end, "position", 0, kMaxPosition);
  load_ring(window_, data, end, p, first_window_row(p));
  const bool compressed = compressor_.row_bytes() > 0, indexed = index_compressor_.row_bytes() > 0;
  if (compressed) load_ring(compressor_, data, end, p, shape_.first_needed_row(p));
  if (indexed) load_ring(index_compressor_, data, end, p, shape_.first_needed_row(p));
  if (compressed) load_rows(entries_, data, end, p / shape_.layer.ratio);
  if (indexed) load_rows(index_keys_, data, end, p / shape_.layer.ratio);
  snapshots_.clear();
  const int64_t count = take_int(data, end, "snapshots", 0, p / shape_.page_tokens);
  for (int64_t i = 0, last = 0; i < count; ++i) {
    Snapshot s;
    s.position = last = take_int(data, end, "snapshot position", last + 1, p);
    const auto read = [&](int64_t rows, int64_t row_bytes) {
      const std::byte* bytes = take(data, end, rows * row_bytes);
      return std::vector<std::byte>(bytes, bytes + rows * row_bytes);
    };
    s.window = read(s.position - first_window_row(s.position), window_.row_bytes());
    if (compressed)
      s.compressor = read(s.position - shape_.first_needed_row(s.position), compressor_.row_bytes());
    if (indexed) {
      s.index_compressor =
          read(s.position - shape_.first_needed_row(s.position), index_compressor_.row_bytes());
    }
    snapshots_.push_back(std::move(s));
  }
}

}  // namespace fathom

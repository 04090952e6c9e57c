#include "model/kv_state.h"

#include <xxhash.h>

#include <algorithm>
#include <numeric>

namespace fathom {
namespace {

constexpr uint64_t kMagic = 0x31564B4D48544146ull;  // "FATHMKV1"

LayerKvShape shape_of(const ModelConfig& config, const Numerics& numerics, int64_t layer,
                      int64_t scalar_bytes) {
  LayerKvShape s;
  s.layer = config.layer(layer);
  s.window = config.sliding_window;
  s.page_tokens = page_tokens(config);
  s.row_type = numerics.kv_type;
  s.kv_dim = config.head_dim;
  s.index_dim = s.layer.kind == LayerKind::csa ? config.index_head_dim : 0;
  s.scalar_bytes = scalar_bytes;
  return s;
}

// Geometry of all layers as numbers: two states fit each other if these are equal.
std::vector<int64_t> geometry(const std::vector<LayerKv>& main, const std::vector<LayerKv>& draft) {
  std::vector<int64_t> out{static_cast<int64_t>(main.size()), static_cast<int64_t>(draft.size())};
  for (const auto* layers : {&main, &draft}) {
    for (const LayerKv& layer : *layers) {
      const LayerKvShape& s = layer.shape();
      for (const int64_t v : {static_cast<int64_t>(s.layer.kind), s.layer.ratio, s.window, s.page_tokens,
                              static_cast<int64_t>(s.row_type), s.kv_dim, s.index_dim, s.scalar_bytes}) {
        out.push_back(v);
      }
    }
  }
  return out;
}

void put(std::vector<std::byte>& out, const void* data, size_t size) {
  const size_t old = out.size();
  out.resize(old + size);
  std::memcpy(out.data() + old, data, size);
}

}  // namespace

int64_t page_tokens(const ModelConfig& config) {
  constexpr int64_t kLimit = 8192;
  int64_t lcm = 1;
  for (const LayerConfig& layer : config.layers) {
    if (layer.kind == LayerKind::swa) continue;
    lcm = layer.ratio > kLimit ? kLimit : std::lcm(lcm, layer.ratio);
    if (lcm >= kLimit) return kLimit;
  }
  return (128 + lcm - 1) / lcm * lcm;
}

KvState::KvState(const ModelConfig& config, const Numerics& numerics, int64_t mtp_blocks,
                 int64_t scalar_bytes) {
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    main_.emplace_back(shape_of(config, numerics, i, scalar_bytes));
  }
  for (int64_t i = 0; i < mtp_blocks; ++i) {
    draft_.emplace_back(shape_of(config, numerics, config.num_hidden_layers + i, scalar_bytes));
  }
}

void KvState::append_rows(int64_t count, const RowFill& fill) {
  FATHOM_CHECK(count >= 0);
  for (LayerKv& layer : main_) layer.append_filled(count, fill);
}

int64_t KvState::held(int64_t p) const {
  p = std::clamp<int64_t>(p, 0, position());
  for (bool changed = true; changed;) {
    changed = false;
    for (const LayerKv& layer : main_) {
      const int64_t q = layer.held(p);
      changed = changed || q != p;
      p = q;
    }
  }
  return p;
}

int64_t KvState::truncate(int64_t p) {
  p = held(p);
  for (LayerKv& layer : main_) layer.truncate(p);
  for (LayerKv& layer : draft_) layer.truncate(layer.held(std::max<int64_t>(0, p - 1)));
  return p;
}

KvBytes KvState::bytes() const {
  KvBytes sum;
  for (const LayerKv& layer : main_) sum += layer.bytes();
  for (const LayerKv& layer : draft_) sum += layer.bytes();
  return sum;
}

std::vector<std::byte> KvState::save() const {
  std::vector<std::byte> out;
  put(out, &kMagic, sizeof kMagic);
  const auto shape = geometry(main_, draft_);
  const auto count = static_cast<uint64_t>(shape.size());
  put(out, &count, sizeof count);
  put(out, shape.data(), shape.size() * sizeof(int64_t));
  for (const LayerKv& layer : main_) layer.save(out);
  for (const LayerKv& layer : draft_) layer.save(out);
  const uint64_t sum = XXH3_64bits(out.data(), out.size());
  put(out, &sum, sizeof sum);
  return out;
}

void KvState::load(std::span<const std::byte> saved) {
  const auto shape = geometry(main_, draft_);
  const size_t header = 16 + shape.size() * sizeof(int64_t);
  uint64_t magic = 0, count = 0, sum = 0;
  if (saved.size() < header + 8) {
    bad_input("saved state: expected at least {} bytes, found {}", header + 8, saved.size());
  }
  std::memcpy(&magic, saved.data(), 8);
  std::memcpy(&count, saved.data() + 8, 8);
  if (magic != kMagic) bad_input("saved state: expected a fathom KV state, version 1, found something else");
  if (count != shape.size() || std::memcmp(saved.data() + 16, shape.data(), header - 16) != 0) {
    bad_input("saved state: expected the geometry and numerics of this model, found another's");
  }
  std::memcpy(&sum, saved.data() + saved.size() - 8, 8);
  if (sum != XXH3_64bits(saved.data(), saved.size() - 8))
    bad_input("saved state: the checksum does not match");

  KvState fresh = *this;
  const std::byte* data = saved.data() + header;
  const std::byte* end = saved.data() + saved.size() - 8;
  for (LayerKv& layer : fresh.main_) {
    layer.load(data, end);
    if (layer.position() != fresh.main_.front().position()) {
      bad_input("saved state: expected one position, found {} and {}", fresh.main_.front().position(),
                layer.position());
    }
  }
  for (LayerKv& layer : fresh.draft_) layer.load(data, end);
  if (data != end)
    bad_input("saved state: expected its end, found {} bytes more", static_cast<int64_t>(end - data));
  *this = std::move(fresh);
}

KvBytes kv_state_bytes(const ModelConfig& config, const Numerics& numerics, int64_t mtp_blocks,
                       int64_t position, int64_t draft_position) {
  KvBytes sum;
  for (int64_t i = 0; i < config.num_hidden_layers + mtp_blocks; ++i) {
    const LayerKvShape s = shape_of(config, numerics, i, numerics.kv_type == RowType::f64 ? 8 : 4);
    const int64_t p = i < config.num_hidden_layers ? position : draft_position;
    KvBytes b;
    b.window = (s.window + LayerKv::kTail) * s.window_row_bytes();
    const int64_t compressor_row = s.compressor_row_bytes() + s.index_compressor_row_bytes();
    if (s.layer.kind != LayerKind::swa) {
      b.compressor = (s.layer.overlap() * s.layer.ratio + LayerKv::kTail) * compressor_row;
      const int64_t per_page = std::max<int64_t>(1, s.page_tokens / s.layer.ratio);
      const int64_t rows = (p / s.layer.ratio + per_page - 1) / per_page * per_page;
      b.entries = rows * s.window_row_bytes();
      b.index_keys = rows * s.index_row_bytes();
    }
    for (int64_t border = s.page_tokens; border <= p; border += s.page_tokens) {
      if (!s.kept_for_good(border) && border + 2 * s.page_tokens <= p) continue;
      b.snapshots += std::min(border, s.window) * s.window_row_bytes();
      if (s.layer.kind != LayerKind::swa)
        b.snapshots += (border - s.first_needed_row(border)) * compressor_row;
    }
    sum += b;
  }
  return sum;
}

}  // namespace fathom

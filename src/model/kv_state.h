#pragma once
/// KvState: everything a sequence remembers, all layers and draft blocks. It never runs the model.
/// Source: architecture.md section 12; design: hard point 10.

#include <memory>
#include <span>
#include <vector>

#include "model/layer_kv.h"

namespace fathom {

/// Move-only; fork() shares full pages and copies the rest.
class KvState {
 public:
  /// An empty sequence. mtp_blocks draft layers are kept beside the main ones.
  /// scalar_bytes: 4 for the float model, 8 for the double one.
  KvState(const ModelConfig& config, const Numerics& numerics, int64_t mtp_blocks, int64_t scalar_bytes = 4);
  KvState(KvState&&) = default;
  KvState& operator=(KvState&&) = default;

  /// Tokens run through the main layers.
  int64_t position() const { return main_.front().position(); }
  LayerKv& layer(int64_t i) { return main_[static_cast<size_t>(i)]; }
  /// Draft block i; row t of it belongs to the streams of token t and the embedding of token t+1.
  LayerKv& draft(int64_t i) { return draft_[static_cast<size_t>(i)]; }
  int64_t draft_position() const { return draft_.empty() ? 0 : draft_.front().position(); }

  /// Extends all main layers by `count` positions with rows that `fill` makes up instead of the model: long
  /// states for measurements and tests, within seconds. Drafts stay where they are.
  void append_rows(int64_t count, const RowFill& fill);

  KvState fork() const { return *this; }
  /// Cuts to the greatest q <= p that is still held exactly, and returns it; the caller feeds q.. again. Held
  /// are each of the last 64 positions, the last two page borders, and one every 8,192 tokens.
  int64_t truncate(int64_t p);
  /// What truncate(p) would return.
  int64_t held(int64_t p) const;

  KvBytes bytes() const;

  /// Bytes of the whole state with a header (format version, geometry, row types) and a checksum.
  std::vector<std::byte> save() const;
  /// Replaces this state by saved bytes of the same geometry. Throws Error(bad_input), leaving this state
  /// unchanged.
  void load(std::span<const std::byte> saved);

 private:
  KvState(const KvState&) = default;
  std::vector<LayerKv> main_, draft_;
};

/// What KvState::bytes() is at `position`, by formula (architecture.md section 12); snapshots as made by
/// feeding one token after another or in chunks alike.
KvBytes kv_state_bytes(const ModelConfig& config, const Numerics& numerics, int64_t mtp_blocks,
                       int64_t position, int64_t draft_position);

/// Tokens that one page covers: the smallest multiple of the lcm of the ratios that is >= 128 (128 as
/// published); 8,192 or the layer's own window if the lcm is larger than that.
int64_t page_tokens(const ModelConfig& config);

}  // namespace fathom

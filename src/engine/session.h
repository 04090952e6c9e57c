#pragma once
/// Session: one sequence being read and written: its tokens, its state, the logits of its last row.

#include <memory>
#include <span>
#include <vector>

#include "base/progress.h"
#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

class Session {
 public:
  static constexpr int64_t kDefaultChunk = 512;

  /// The model and the runtime must outlive the session. chunk: tokens per forward pass of prompt reading.
  Session(const Model& model, Runtime<float>& runtime, int64_t chunk = kDefaultChunk);

  const std::vector<int32_t>& tokens() const { return tokens_; }
  int64_t position() const { return static_cast<int64_t>(tokens_.size()); }
  const KvState& state() const { return kv_; }
  const Model& model() const { return model_; }
  Runtime<float>& runtime() const { return runtime_; }
  /// Logits [V] of the last token fed; empty before the first, and after truncate().
  std::span<const float> logits() const { return logits_; }

  /// Runs tokens through the model. Returns how many were taken: fewer only if progress asked to stop, in
  /// which case logits() are those of the last one taken. Throws Error(bad_input) for an id outside the
  /// vocabulary or beyond max_position_embeddings, Error(out_of_memory) beyond the runtime's bound
  /// (model/memory_limit.h); nothing of the failing chunk is kept then.
  int64_t feed(std::span<const int32_t> ids, const Progress& progress = {});

  /// Cuts the sequence to its first p tokens; what the state does not hold any more is run again.
  void truncate(int64_t p, const Progress& progress = {});

  /// A second sequence with the same past.
  Session fork() const { return Session(*this); }

  /// Tokens and state as bytes; load() replaces this session's. Throws Error(bad_input).
  std::vector<std::byte> save() const;
  void load(std::span<const std::byte> saved);

  Session(Session&&) = default;

 private:
  Session(const Session& o)
      : model_(o.model_),
        runtime_(o.runtime_),
        chunk_(o.chunk_),
        tokens_(o.tokens_),
        kv_(o.kv_.fork()),
        logits_(o.logits_) {}
  void run(std::span<const int32_t> ids);

  const Model& model_;
  Runtime<float>& runtime_;
  int64_t chunk_;
  std::vector<int32_t> tokens_;
  KvState kv_;
  std::vector<float> logits_;
};

}  // namespace fathom

#include "engine/session.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "model/memory_limit.h"

namespace fathom {

Session::Session(const Model& model, Runtime<float>& runtime, int64_t chunk)
    : model_(model), runtime_(runtime), chunk_(chunk), kv_(model.new_state(runtime.numerics())) {}

void Session::run(std::span<const int32_t> ids) {
  Context<float> ctx = runtime_.context(model_.config());
  const ArenaScope scope(ctx.arena());
  Batch batch;
  batch.add(kv_, ids, LogitRows::last);
  const ForwardResult<float> result = model_.forward(ctx, batch);
  logits_.assign(result.logits.data, result.logits.data + result.logits.cols);
}

int64_t Session::feed(std::span<const int32_t> ids, const Progress& progress) {
  const int64_t total = static_cast<int64_t>(ids.size());
  if (position() + total > model_.config().max_position_embeddings) {
    bad_input("context: expected at most {} tokens, found {}", model_.config().max_position_embeddings,
              position() + total);
  }
  claim_memory(model_, runtime_, position() + total);
  if (kv_.position() != position()) truncate(position());  // an earlier failure cut the state further back
  int64_t done = 0;
  while (done < total) {
    if (progress && !progress(done, total)) return done;
    const int64_t count = std::min(chunk_, total - done);
    run(ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count)));
    tokens_.insert(tokens_.end(), ids.begin() + done, ids.begin() + done + count);
    done += count;
  }
  if (progress) progress(done, total);
  return done;
}

void Session::truncate(int64_t p, const Progress& progress) {
  FATHOM_CHECK(p >= 0 && p <= position());
  const int64_t held = kv_.truncate(p);
  const std::vector<int32_t> again(tokens_.begin() + held, tokens_.begin() + p);
  tokens_.resize(static_cast<size_t>(held));
  logits_.clear();
  if (!again.empty()) feed(again, progress);
}

std::vector<std::byte> Session::save() const {
  const std::vector<std::byte> state = kv_.save();
  const uint64_t count = tokens_.size();
  std::vector<std::byte> out(8 + count * 4 + state.size());
  std::memcpy(out.data(), &count, 8);
  std::memcpy(out.data() + 8, tokens_.data(), count * 4);
  std::memcpy(out.data() + 8 + count * 4, state.data(), state.size());
  return out;
}

void Session::load(std::span<const std::byte> saved) {
  uint64_t count = 0;
  if (saved.size() < 8) bad_input("saved session: expected at least 8 bytes, found {}", saved.size());
  std::memcpy(&count, saved.data(), 8);
  if (count > (saved.size() - 8) / 4) {
    bad_input("saved session: expected {} tokens, found {} bytes", count, saved.size());
  }
  std::vector<int32_t> tokens(count);
  std::memcpy(tokens.data(), saved.data() + 8, count * 4);
  for (const int32_t id : tokens) {
    if (id < 0 || id >= model_.config().vocab_size) {
      bad_input("saved session: expected token ids below {}, found {}", model_.config().vocab_size, id);
    }
  }
  KvState state = model_.new_state(runtime_.numerics());
  state.load(saved.subspan(8 + count * 4));
  if (state.position() != static_cast<int64_t>(count)) {
    bad_input("saved session: expected a state at {} tokens, found {}", count, state.position());
  }
  kv_ = std::move(state);
  tokens_ = std::move(tokens);
  logits_.clear();
}

}  // namespace fathom

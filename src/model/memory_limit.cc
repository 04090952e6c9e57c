#include "model/memory_limit.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "model/instantiate.h"
#include "model/kv_state.h"

namespace fathom {

template <class Real>
void claim_memory(const Model& model, Runtime<Real>& runtime, int64_t tokens, int64_t states, int64_t kept) {
  const int64_t limit = runtime.memory_bytes();
  if (limit <= 0) return;
  const int64_t state =
      kv_state_bytes(model.config(), runtime.numerics(), model.mtp_blocks(), tokens, 0).total();
  const int64_t fixed = states * state + kept + model.weights().copied_bytes();
  const int64_t all = fixed + runtime.arena().bytes();
  if (all > limit) {
    const std::string sequences = states == 1 ? "" : fmt::format("{} sequences of ", states);
    fail(ErrorCode::out_of_memory, "memory: expected at most {} bytes, found {} for {}{} token{}", limit, all,
         sequences, tokens, tokens == 1 ? "" : "s");
  }
  runtime.arena().limit(std::max<int64_t>(1, limit - fixed));
}
FATHOM_INSTANTIATE(claim_memory);

}  // namespace fathom

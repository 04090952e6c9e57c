#include "engine/signature.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's own switch
#include <xxhash.h>

#include <algorithm>

#include "model/runtime.h"

namespace fathom {
namespace {

constexpr int64_t kGreedyTokens = 256;
// Long enough that windows, both compressors, the indexer's choice and the draftless head all take part
// before the greedy tokens end.
constexpr const char* kPrompt =
    "Once upon a time there was a little girl who lived with her grandmother at the edge of the great "
    "forest. "
    "Every morning she went to the well, filled two buckets with water and carried them home, 12 steps up "
    "the hill "
    "and 30 steps along the fence. One day, when the snow lay deep, she found a small grey bird under the "
    "fence. "
    "\"Take me home,\" said the bird, \"and I will tell you what lies beyond the mountains.\"";

}  // namespace

Signature signature(const Model& model, const Tokenizer& tokenizer, Target target, const Numerics& numerics) {
  RuntimeOptions options;
  options.target = target;
  options.numerics = numerics;
  Runtime<float> runtime(options);
  const Context<float> ctx = runtime.context(model.config());
  KvState kv = model.new_state(numerics);
  std::vector<int32_t> tokens = tokenizer.encode(kPrompt, false);
  tokens.insert(tokens.begin(), model.config().bos_token_id);
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (int64_t step = 0; step < kGreedyTokens; ++step) {
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(kv, tokens, LogitRows::all);
    const Mat<float> logits = model.forward(ctx, batch).logits;
    XXH3_64bits_update(&state, logits.data, static_cast<size_t>(logits.rows * logits.cols) * sizeof(float));
    const float* last = logits.row(logits.rows - 1);
    const auto next = static_cast<int32_t>(std::max_element(last, last + logits.cols) - last);
    XXH3_64bits_update(&state, &next, sizeof next);
    tokens = {next};
  }
  return {target, numerics.mode, fmt::format("{:016x}", static_cast<uint64_t>(XXH3_64bits_digest(&state)))};
}

std::vector<Signature> signatures(const Model& model, const Tokenizer& tokenizer) {
  std::vector<Signature> out;
  for (const Target target : available_targets()) {
    for (const Numerics& numerics : {Numerics::exact(), Numerics::release(), Numerics::fast()}) {
      out.push_back(signature(model, tokenizer, target, numerics));
    }
  }
  return out;
}

std::string signature_line(const Signature& signature) {
  return fmt::format("{} {} {}\n", name(signature.target), name(signature.mode), signature.hash);
}

}  // namespace fathom

#include "model/training/memory.h"

#include <algorithm>

#include "model/head.h"

namespace fathom {
namespace {

constexpr int64_t kFloat = 4;

// Values per token, unless they are said to be in all.
struct Shapes {
  const ModelConfig& c;
  bool quantised;
  int64_t D = c.hidden_size, n = c.hc_mult, mix = (2 + n) * n + 2 * n + n * n;
  int64_t streams = n * D;
  int64_t heads = c.num_attention_heads * c.head_dim, d = c.head_dim, inter = c.moe_intermediate_size;
  int64_t groups = c.o_groups * c.o_lora_rank;

  // The way back through a layer, and its forward pass again unless it is kept; in all.
  int64_t layer(const LayerConfig& kind, const LossOptions& options, int64_t tokens, int64_t longest,
                bool kept) const {
    return (kept ? 0 : tokens * kept_values(kind, options)) + tokens * (2 * D + mix) +
           std::max(moe_backward(tokens), attention_backward(kind, options, tokens, longest));
  }
  int64_t kept_values(const LayerConfig& kind, const LossOptions& options) const {
    return streams + forward(kind, options);
  }

  static int64_t per_entry(int64_t values, const LayerConfig& kind) {
    return kind.ratio > 0 ? (values + kind.ratio - 1) / kind.ratio : 0;
  }
  bool indexed(const LayerConfig& kind, const LossOptions& options) const {
    return kind.kind == LayerKind::csa && (!options.dense_csa || options.indexer_weight > 0);
  }

  int64_t forward(const LayerConfig& kind, const LossOptions& options) const {
    int64_t sum = 2 * (3 * D + mix + 2);
    sum += 2 * c.q_lora_rank + 3 * heads + 3 * d + groups + c.num_attention_heads + 2;
    if (kind.kind != LayerKind::swa) sum += 2 * kind.overlap() * d + per_entry(d, kind);
    if (indexed(kind, options)) {
      sum += 4 * c.index_head_dim + c.index_n_heads * (c.index_head_dim + 1) +
             per_entry(c.index_head_dim, kind) + c.index_topk;
    }
    const int64_t k = c.num_experts_per_tok;
    return sum + 2 * c.n_routed_experts + 4 * k + 2 * inter * (k + 1) + D;
  }

  // In all.
  int64_t moe_backward(int64_t tokens) const {
    const int64_t k = c.num_experts_per_tok, per_expert = 3 * D + 4 * inter;   // in, d_out, d_in; the hidden
    const int64_t inputs = quantised ? 3 * D + 5 * inter : 2 * D + 3 * inter;  // of products, in bf16
    return tokens *
           ((k + 1) * (per_expert + (quantised ? inputs : 0) + inputs / 2) + 4 * k + 2 * c.n_routed_experts);
  }

  int64_t attention_backward(const LayerConfig& kind, const LossOptions& options, int64_t tokens,
                             int64_t longest) const {
    constexpr int64_t kQueries = 64, kPartial = (int64_t{64} << 20) / kFloat;  // as attention sums in blocks
    const auto partial = [&](int64_t values) { return std::min(kPartial, (tokens / kQueries + 1) * values); };
    const int64_t entries = kind.ratio > 0 ? longest / kind.ratio : 0;
    const int64_t kept = tokens * (groups + 2 * heads + d + per_entry(d, kind));
    int64_t rest =
        std::max(partial((kQueries + c.sliding_window + entries) * d), tokens * (c.q_lora_rank + heads / 2));
    if (quantised) {  // of wq_b and wo_b: both factors along their rows, and along tokens
      rest = std::max(rest, tokens * (3 * c.q_lora_rank + 5 * heads / 2));
      rest = std::max(rest, tokens * (5 * (groups + D) / 2));
    }
    if (kind.kind != LayerKind::swa) {
      rest = std::max(rest, tokens * (c.q_lora_rank + 2 * kind.overlap() * d + per_entry(d, kind)));
    }
    int64_t indexer = 0;
    if (indexed(kind, options) && options.indexer_weight > 0) {
      const int64_t dim = c.index_head_dim;
      indexer = tokens * (c.index_n_heads * (dim + 1) + per_entry(dim, kind)) +
                std::max(partial(entries * dim), tokens * (4 * dim + per_entry(dim, kind)));
    }
    return std::max(kept + rest, indexer);
  }

  int64_t head(int64_t tokens) const {
    const HeadBlocks blocks;
    const int64_t rows = std::min<int64_t>(tokens, 1024);
    const int64_t block = rows * std::min(blocks.vocabulary, c.vocab_size);
    const int64_t logits = rows * c.vocab_size <= blocks.kept ? rows * c.vocab_size : block;
    return tokens * (2 * streams + 3 * D + 6 * n + 2) + logits + (block + rows * D) / 2;
  }
};

}  // namespace

int64_t TrainingMemory::peak() const {
  const int64_t values = streams + std::max({layer, head, mtp});
  return values + values / 8;  // the ends of the arena's blocks, where the next array did not fit
}

TrainingMemory training_memory(const ModelConfig& config, const LossOptions& options, int64_t tokens,
                               int64_t longest, bool quantised) {
  const Shapes shapes{config, quantised};
  const int64_t layers = config.num_hidden_layers, angles = 2 * config.qk_rope_head_dim;
  longest = std::min(longest, tokens);
  TrainingMemory m;
  m.streams = tokens * ((layers + 2) * shapes.streams + angles) * kFloat;
  for (int64_t i = 0; i < layers; ++i) {
    const LayerConfig kind = config.layer(i);
    const bool kept = i >= layers - options.keep_layers;
    if (kept) m.streams += tokens * shapes.kept_values(kind, options) * kFloat;
    m.layer = std::max(m.layer, shapes.layer(kind, options, tokens, longest, kept) * kFloat);
  }
  m.head = shapes.head(tokens) * kFloat;
  if (options.mtp_weight != 0) {
    const int64_t input = tokens * (6 * shapes.streams + 4 * shapes.D + angles);
    const int64_t block = shapes.layer(config.layer(layers), options, tokens, longest, false);
    m.mtp = (input + std::max(block, shapes.head(tokens))) * kFloat;
  }
  return m;
}

}  // namespace fathom

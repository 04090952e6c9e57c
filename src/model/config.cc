#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace fathom {
namespace {

// Parameters of one layer at most (CSA and HCA parts added for every layer), in double: cannot overflow.
double parameter_bound(const ModelConfig& c) {
  const auto f = [](int64_t value) { return static_cast<double>(value); };
  const double d = f(c.head_dim), hidden = f(c.hidden_size), q = f(c.q_lora_rank), n = f(c.hc_mult);
  const double heads = f(c.num_attention_heads) * d, o = f(c.o_groups) * f(c.o_lora_rank);
  double ratio = 0;
  for (const LayerConfig& layer : c.layers) ratio = std::max(ratio, f(layer.ratio));
  const double attention = q * hidden + heads * q + d * hidden + f(c.o_lora_rank) * heads + hidden * o;
  const double compressor = 4 * d * hidden + ratio * 2 * d;
  const double indexer = f(c.index_n_heads) * (f(c.index_head_dim) * q + hidden) +
                         f(c.index_head_dim) * (4 * hidden + 2 * ratio);
  const double moe = f(c.n_routed_experts + 1) * 3 * f(c.moe_intermediate_size) * hidden +
                     f(c.n_routed_experts) * hidden + f(c.vocab_size) * f(c.num_experts_per_tok);
  const double streams = 2 * (2 + n) * n * n * hidden;
  const double layers = f(c.num_hidden_layers + c.draft_layers());
  const double draft = hidden * hidden * (2 + f(static_cast<int64_t>(c.dspark_target_layer_ids.size()))) +
                       2 * f(c.vocab_size) * f(c.dspark_markov_rank);
  return 2 * f(c.vocab_size) * hidden + layers * (attention + compressor + indexer + moe + streams) + draft;
}

void check_id(const char* field, int64_t id, int64_t vocab_size) {
  if (id >= vocab_size) bad_input("{}: expected an id below vocab_size {}, found {}", field, vocab_size, id);
}

}  // namespace

std::string_view name(LayerKind kind) {
  switch (kind) {
    case LayerKind::swa:
      return "swa";
    case LayerKind::csa:
      return "csa";
    case LayerKind::hca:
      return "hca";
  }
  return "?";
}

void ModelConfig::validate() const {
  if (qk_rope_head_dim % 2 != 0)
    bad_input("qk_rope_head_dim: expected an even number, found {}", qk_rope_head_dim);
  if (qk_rope_head_dim >= head_dim) {
    bad_input("qk_rope_head_dim: expected less than head_dim {}, found {}", head_dim, qk_rope_head_dim);
  }
  const bool has_csa = std::any_of(layers.begin(), layers.end(),
                                   [](const LayerConfig& layer) { return layer.kind == LayerKind::csa; });
  if (has_csa && index_head_dim < qk_rope_head_dim) {
    bad_input("index_head_dim: expected at least qk_rope_head_dim {}, found {}", qk_rope_head_dim,
              index_head_dim);
  }
  if (num_attention_heads * head_dim % o_groups != 0) {
    bad_input("o_groups: expected a divisor of num_attention_heads * head_dim = {}, found {}",
              num_attention_heads * head_dim, o_groups);
  }
  if (num_experts_per_tok > n_routed_experts) {
    bad_input("num_experts_per_tok: expected at most n_routed_experts {}, found {}", n_routed_experts,
              num_experts_per_tok);
  }
  check_id("bos_token_id", bos_token_id, vocab_size);
  for (const int32_t id : eos_token_ids) check_id("eos_token_id", id, vocab_size);
  if (dspark_block_size > 0) check_id("dspark_noise_token_id", dspark_noise_token_id, vocab_size);
  for (const int64_t id : dspark_target_layer_ids) {
    if (id >= num_hidden_layers) {
      bad_input("dspark_target_layer_ids: expected layers below num_hidden_layers {}, found {}",
                num_hidden_layers, id);
    }
  }
  const int64_t experts = (num_hidden_layers + draft_layers()) * n_routed_experts;
  if (experts > kMaxExperts) {
    bad_input("n_routed_experts: expected at most {} routed experts over all layers, found {}", kMaxExperts,
              experts);
  }
  const double parameters = parameter_bound(*this);
  if (parameters > kMaxParameters) {
    bad_input("config: expected at most {:.0e} parameters, found about {:.1e}", kMaxParameters, parameters);
  }
}

}  // namespace fathom

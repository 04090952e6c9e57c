// ModelConfig -> metadata of a deepseek4 GGUF file; the reverse of gguf_config_json().
#include "base/error.h"
#include "model/config_export.h"
#include "model/config_layers.h"

namespace fathom {
namespace {

constexpr int32_t kSqrtSoftplus = 4;

class Keys {
 public:
  explicit Keys(GgufKeyValues& out) : out_(out) {}
  void integer(std::string_view key, int64_t value) {
    if (value < 0 || value > INT32_MAX) {
      fail(ErrorCode::unsupported, "{}: expected a value that fits 31 bits, found {}", key, value);
    }
    out_.add(full(key), static_cast<uint32_t>(value));
  }
  void number(std::string_view key, double value) { out_.add(full(key), static_cast<float>(value)); }
  template <class T>
  void other(std::string_view key, const T& value) {
    out_.add(full(key), value);
  }

 private:
  static std::string full(std::string_view key) { return "deepseek4." + std::string(key); }
  GgufKeyValues& out_;
};

void add_attention(Keys& keys, const ModelConfig& c, int64_t blocks) {
  keys.integer("attention.head_count", c.num_attention_heads);
  keys.integer("attention.head_count_kv", 1);
  keys.integer("attention.key_length", c.head_dim);
  keys.integer("attention.value_length", c.head_dim);
  keys.number("attention.layer_norm_rms_epsilon", c.rms_norm_eps);
  keys.integer("attention.q_lora_rank", c.q_lora_rank);
  keys.integer("attention.sliding_window", c.sliding_window);
  keys.integer("attention.indexer.head_count", c.index_n_heads);
  keys.integer("attention.indexer.key_length", c.index_head_dim);
  keys.integer("attention.indexer.top_k", c.index_topk);
  keys.integer("attention.output_group_count", c.o_groups);
  keys.integer("attention.output_lora_rank", c.o_lora_rank);
  keys.number("attention.compress_rope_freq_base", c.compress_rope_theta);
  std::vector<uint32_t> ratios;
  for (int64_t i = 0; i < blocks; ++i) {
    const LayerConfig layer = c.layer(i);
    // A reader tells the kind by the ratio, or by the indexer's tensors.
    if (layer.kind == LayerKind::hca && kind_of_ratio(layer.ratio) != LayerKind::hca) {
      fail(ErrorCode::unsupported,
           "layer {}: expected a layer with ratio {} to have an indexer (GGUF), found none", i, layer.ratio);
    }
    ratios.push_back(static_cast<uint32_t>(layer.ratio));
  }
  keys.other("attention.compress_ratios", ratios);
}

void add_experts(Keys& keys, const ModelConfig& c, int64_t blocks) {
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    if (c.layer(i).hash != (i < c.num_hash_layers)) {
      fail(ErrorCode::unsupported, "layer {}: expected hash routing in the first layers alone (GGUF)", i);
    }
  }
  keys.integer("hash_layer_count", c.num_hash_layers);
  keys.integer("feed_forward_length", c.moe_intermediate_size);
  keys.integer("expert_count", c.n_routed_experts);
  keys.integer("expert_used_count", c.num_experts_per_tok);
  keys.integer("expert_shared_count", 1);
  keys.integer("expert_feed_forward_length", c.moe_intermediate_size);
  keys.number("expert_weights_scale", c.routed_scaling_factor);
  keys.other("expert_weights_norm", true);
  keys.integer("expert_gating_func", kSqrtSoftplus);
  if (c.swiglu_limit > 0) {
    const std::vector<float> limits(static_cast<size_t>(blocks), static_cast<float>(c.swiglu_limit));
    keys.other("swiglu_clamp_exp", limits);
    keys.other("swiglu_clamp_shexp", limits);
  }
}

void add_rope(Keys& keys, const ModelConfig& c) {
  keys.integer("rope.dimension_count", c.qk_rope_head_dim);
  keys.number("rope.freq_base", c.rope_theta);
  if (!c.rope_scaling) return;
  keys.other("rope.scaling.type", std::string_view("yarn"));
  keys.number("rope.scaling.factor", c.rope_scaling->factor);
  keys.integer("rope.scaling.original_context_length", c.rope_scaling->original_max_position_embeddings);
  keys.number("rope.scaling.yarn_beta_fast", c.rope_scaling->beta_fast);
  keys.number("rope.scaling.yarn_beta_slow", c.rope_scaling->beta_slow);
}

}  // namespace

void add_gguf_config(GgufKeyValues& out, const ModelConfig& c) {
  if (c.dspark_block_size > 0) {
    fail(ErrorCode::unsupported, "dspark_block_size: expected no DSpark drafter in a GGUF model, found one");
  }
  const int64_t blocks = c.num_hidden_layers + c.num_nextn_predict_layers;
  Keys keys(out);
  keys.integer("block_count", blocks);
  keys.integer("context_length", c.max_position_embeddings);
  keys.integer("embedding_length", c.hidden_size);
  keys.integer("embedding_length_out", c.hc_mult * c.hidden_size);
  keys.integer("vocab_size", c.vocab_size);
  add_attention(keys, c, blocks);
  keys.integer("hyper_connection.count", c.hc_mult);
  keys.integer("hyper_connection.sinkhorn_iterations", c.hc_sinkhorn_iters);
  keys.number("hyper_connection.epsilon", c.hc_eps);
  add_experts(keys, c, blocks);
  add_rope(keys, c);
  if (c.num_nextn_predict_layers > 0) keys.integer("nextn_predict_layers", c.num_nextn_predict_layers);
}

bool llama_cpp_knows_ratios(const ModelConfig& c) {
  for (const LayerConfig& layer : c.layers) {
    if (layer.ratio != 0 && layer.ratio != 4 && layer.ratio != 128) return false;
  }
  return true;
}

}  // namespace fathom

// The published configurations (architecture.md section 1, table).
#include "base/error.h"
#include "model/config.h"

namespace fathom {
namespace {

constexpr std::string_view kNames[] = {"v4-flash", "v4-flash-base", "v4-flash-0731", "v4-pro", "v4-pro-0813"};

// What Flash and Pro share.
ModelConfig common() {
  ModelConfig c;
  c.vocab_size = 129280;
  c.head_dim = 512;
  c.qk_rope_head_dim = 64;
  c.o_lora_rank = 1024;
  c.num_experts_per_tok = 6;
  c.num_hash_layers = 3;
  c.swiglu_limit = 10;
  c.sliding_window = 128;
  c.index_n_heads = 64;
  c.index_head_dim = 128;
  c.rope_theta = 10000;
  c.compress_rope_theta = 160000;
  c.rope_scaling = YarnConfig{16, 32, 1, 65536};
  c.hc_mult = 4;
  c.hc_sinkhorn_iters = 20;
  c.num_nextn_predict_layers = 1;
  c.max_position_embeddings = 1048576;
  c.bos_token_id = 0;
  c.eos_token_ids = {1};
  c.quantised = true;
  c.expert_dtype = "fp4";
  c.dtype = "bfloat16";
  return c;
}

// Two layers of `first`, then CSA (even) and HCA (odd) alternating.
void set_layers(ModelConfig& c, int64_t count, LayerConfig first) {
  c.num_hidden_layers = count;
  for (int64_t i = 0; i < count; ++i) {
    LayerConfig layer = i < 2        ? first
                        : i % 2 == 0 ? LayerConfig{LayerKind::csa, 4, false}
                                     : LayerConfig{LayerKind::hca, 128, false};
    layer.hash = i < c.num_hash_layers;
    c.layers.push_back(layer);
  }
}

ModelConfig flash() {
  ModelConfig c = common();
  c.hidden_size = 4096;
  c.num_attention_heads = 64;
  c.q_lora_rank = 1024;
  c.o_groups = 8;
  c.n_routed_experts = 256;
  c.moe_intermediate_size = 2048;
  c.routed_scaling_factor = 1.5;
  c.index_topk = 512;
  set_layers(c, 43, {LayerKind::swa, 0, false});
  return c;
}

ModelConfig pro() {
  ModelConfig c = common();
  c.hidden_size = 7168;
  c.num_attention_heads = 128;
  c.q_lora_rank = 1536;
  c.o_groups = 16;
  c.n_routed_experts = 384;
  c.moe_intermediate_size = 3072;
  c.routed_scaling_factor = 2.5;
  c.index_topk = 1024;
  set_layers(c, 61, {LayerKind::hca, 128, false});
  return c;
}

// The final checkpoints carry a drafter of three stages, fed by the last three layers.
void add_dspark(ModelConfig& c, int64_t markov_rank) {
  c.dspark_block_size = 5;
  c.dspark_markov_rank = markov_rank;
  c.dspark_stages = 3;
  const int64_t last = c.num_hidden_layers - 1;
  c.dspark_target_layer_ids = {last - 2, last - 1, last};
  c.dspark_noise_token_id = 128799;
}

}  // namespace

std::vector<std::string_view> preset_names() { return {std::begin(kNames), std::end(kNames)}; }

ModelConfig ModelConfig::preset(std::string_view name) {
  ModelConfig c;
  if (name == "v4-flash") {
    c = flash();
  } else if (name == "v4-flash-base") {
    c = flash();
    c.expert_dtype.clear();  // FP8 experts: the field is absent
  } else if (name == "v4-flash-0731") {
    c = flash();
    add_dspark(c, 256);
  } else if (name == "v4-pro") {
    c = pro();
  } else if (name == "v4-pro-0813") {
    c = pro();
    add_dspark(c, 512);
  } else {
    std::string known;
    for (const std::string_view each : kNames) known += (known.empty() ? "" : ", ") + std::string(each);
    fail(ErrorCode::not_found, "preset: expected one of {}, found \"{}\"", known, printable(name, 60));
  }
  c.validate();
  return c;
}

}  // namespace fathom

#pragma once
/// What the tests of GGUF files share: the metadata of a golden config, and the text of errors.

#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "tests/support/model_file_builder.h"

namespace fathom::test {

/// The metadata of a golden config.json, under the keys of the architecture's text.
inline GgufBuilder metadata_of(const nlohmann::json& config) {
  GgufBuilder out;
  const auto u = [&](const char* key, const char* field) {
    out.set("deepseek4." + std::string(key), config.at(field).get<uint32_t>());
  };
  const auto f = [&](const char* key, const nlohmann::json& value) {
    out.set("deepseek4." + std::string(key), value.get<float>());
  };
  const uint32_t layers = config.at("num_hidden_layers"), drafts = config.at("num_nextn_predict_layers");
  out.set("general.architecture", "deepseek4").set("general.alignment", uint32_t{32});
  out.set("deepseek4.block_count", layers + drafts);
  if (drafts > 0) out.set("deepseek4.nextn_predict_layers", drafts);
  u("context_length", "max_position_embeddings");
  u("embedding_length", "hidden_size");
  u("vocab_size", "vocab_size");
  u("attention.head_count", "num_attention_heads");
  u("attention.head_count_kv", "num_key_value_heads");
  u("attention.key_length", "head_dim");
  u("attention.value_length", "head_dim");
  u("attention.q_lora_rank", "q_lora_rank");
  u("attention.sliding_window", "sliding_window");
  u("attention.indexer.head_count", "index_n_heads");
  u("attention.indexer.key_length", "index_head_dim");
  u("attention.indexer.top_k", "index_topk");
  u("attention.output_group_count", "o_groups");
  u("attention.output_lora_rank", "o_lora_rank");
  out.set("deepseek4.attention.compress_ratios", config.at("compress_ratios").get<std::vector<uint32_t>>());
  f("attention.compress_rope_freq_base", config.at("compress_rope_theta"));
  f("attention.layer_norm_rms_epsilon", config.at("rms_norm_eps"));
  u("hyper_connection.count", "hc_mult");
  u("hyper_connection.sinkhorn_iterations", "hc_sinkhorn_iters");
  f("hyper_connection.epsilon", config.at("hc_eps"));
  u("hash_layer_count", "num_hash_layers");
  u("expert_count", "n_routed_experts");
  u("expert_used_count", "num_experts_per_tok");
  u("expert_shared_count", "n_shared_experts");
  u("expert_feed_forward_length", "moe_intermediate_size");
  f("expert_weights_scale", config.at("routed_scaling_factor"));
  out.set("deepseek4.expert_weights_norm", true).set("deepseek4.expert_gating_func", uint32_t{4});
  out.set("deepseek4.swiglu_clamp_exp", std::vector<float>(layers, config.at("swiglu_limit").get<float>()));
  u("rope.dimension_count", "qk_rope_head_dim");
  f("rope.freq_base", config.at("rope_theta"));
  if (config.contains("rope_scaling") && config["rope_scaling"].is_object()) {
    const nlohmann::json& rope = config["rope_scaling"];
    out.set("deepseek4.rope.scaling.type", "yarn");
    f("rope.scaling.factor", rope.at("factor"));
    f("rope.scaling.yarn_beta_fast", rope.at("beta_fast"));
    f("rope.scaling.yarn_beta_slow", rope.at("beta_slow"));
    out.set("deepseek4.rope.scaling.original_context_length",
            rope.at("original_max_position_embeddings").get<uint32_t>());
  }
  return out;
}

inline std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.code() != ErrorCode::internal);
    return e.message();
  }
  return "no error";
}

inline void check_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    CAPTURE(message);
    CAPTURE(part);
    CHECK(message.find(part) != std::string::npos);
  }
}

}  // namespace fathom::test

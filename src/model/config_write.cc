// ModelConfig -> config.json in the official field set (architecture.md section 1).
#include <nlohmann/json.hpp>

#include "model/config.h"
#include "model/config_layers.h"

namespace fathom {
namespace {

// The ratios of which other readers know the kind without being told (transformers refuses others).
bool usual_ratio(int64_t ratio) { return ratio == 0 || ratio == 4 || ratio == 128; }

// transformers' compress_rates: one ratio for each kind of layer; empty if a kind has several.
nlohmann::ordered_json compress_rates(const ModelConfig& c) {
  nlohmann::ordered_json rates;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const LayerConfig layer = c.layer(i);
    if (layer.kind == LayerKind::swa) continue;
    auto& rate = rates[type_name(layer.kind)];
    if (!rate.is_null() && rate != layer.ratio) return {};
    rate = layer.ratio;
  }
  return rates;
}

}  // namespace

std::string ModelConfig::to_json() const {
  nlohmann::ordered_json j;
  j["architectures"] = {"DeepseekV4ForCausalLM"};
  j["model_type"] = "deepseek_v4";
  j["vocab_size"] = vocab_size;
  j["hidden_size"] = hidden_size;
  j["num_hidden_layers"] = num_hidden_layers;
  j["num_attention_heads"] = num_attention_heads;
  j["num_key_value_heads"] = 1;
  j["head_dim"] = head_dim;
  j["qk_rope_head_dim"] = qk_rope_head_dim;
  j["q_lora_rank"] = q_lora_rank;
  j["o_groups"] = o_groups;
  j["o_lora_rank"] = o_lora_rank;
  j["n_routed_experts"] = n_routed_experts;
  j["n_shared_experts"] = 1;
  j["num_experts_per_tok"] = num_experts_per_tok;
  j["moe_intermediate_size"] = moe_intermediate_size;
  j["routed_scaling_factor"] = routed_scaling_factor;
  j["scoring_func"] = "sqrtsoftplus";
  j["topk_method"] = "noaux_tc";
  j["norm_topk_prob"] = true;
  j["swiglu_limit"] = swiglu_limit;
  j["sliding_window"] = sliding_window;
  j["index_n_heads"] = index_n_heads;
  j["index_head_dim"] = index_head_dim;
  j["index_topk"] = index_topk;

  std::vector<int64_t> ratios;
  std::vector<std::string> types, mlp_types;
  bool ratio_says_kind = true, usual = true, prefix_says_hash = true;
  for (int64_t i = 0; i < num_hidden_layers; ++i) {
    const LayerConfig each = layer(i);
    ratios.push_back(each.ratio);
    types.emplace_back(type_name(each.kind));
    mlp_types.emplace_back(each.hash ? "hash_moe" : "moe");
    ratio_says_kind = ratio_says_kind && each.kind == kind_of_ratio(each.ratio);
    usual = usual && usual_ratio(each.ratio);
    prefix_says_hash = prefix_says_hash && each.hash == (i < num_hash_layers);
  }
  ratios.resize(ratios.size() + static_cast<size_t>(draft_layers()), 0);
  j["compress_ratios"] = ratios;
  if (!ratio_says_kind || !usual) j["layer_types"] = types;
  if (const auto rates = compress_rates(*this); !usual && !rates.empty()) j["compress_rates"] = rates;
  if (prefix_says_hash) {
    j["num_hash_layers"] = num_hash_layers;
  } else {
    j["mlp_layer_types"] = mlp_types;
  }

  j["rope_theta"] = rope_theta;
  j["compress_rope_theta"] = compress_rope_theta;
  if (rope_scaling) {
    j["rope_scaling"] = {
        {"type", "yarn"},
        {"factor", rope_scaling->factor},
        {"beta_fast", rope_scaling->beta_fast},
        {"beta_slow", rope_scaling->beta_slow},
        {"original_max_position_embeddings", rope_scaling->original_max_position_embeddings}};
  } else {
    j["rope_scaling"] = nullptr;
  }
  j["hc_mult"] = hc_mult;
  j["hc_sinkhorn_iters"] = hc_sinkhorn_iters;
  j["hc_eps"] = hc_eps;
  j["num_nextn_predict_layers"] = num_nextn_predict_layers;
  j["max_position_embeddings"] = max_position_embeddings;
  j["rms_norm_eps"] = rms_norm_eps;
  j["hidden_act"] = "silu";
  j["attention_bias"] = false;
  j["tie_word_embeddings"] = false;
  j["bos_token_id"] = bos_token_id;
  if (eos_token_ids.size() == 1) {
    j["eos_token_id"] = eos_token_ids.front();
  } else {
    j["eos_token_id"] = eos_token_ids;
  }
  if (!dtype.empty()) j["torch_dtype"] = dtype;
  if (!expert_dtype.empty()) j["expert_dtype"] = expert_dtype;
  if (quantised) {
    auto& q = j["quantization_config"];
    q["quant_method"] = "fp8";
    q["fmt"] = "e4m3";
    q["weight_block_size"] = {128, 128};
    if (scale_format == ScaleFormat::ue8m0) q["scale_fmt"] = "ue8m0";
    q["activation_scheme"] = "dynamic";
  }
  if (dspark_block_size > 0) {
    j["dspark_block_size"] = dspark_block_size;
    j["dspark_markov_rank"] = dspark_markov_rank;
    j["dspark_target_layer_ids"] = dspark_target_layer_ids;
    j["dspark_noise_token_id"] = dspark_noise_token_id;
  }
  return j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fathom

#include "model/config_keys.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_reader.h"
#include "model/config_layers.h"

namespace fathom {
namespace {

using Keys = std::set<std::string_view>;

const Keys& keys_of_model() {
  static const Keys keys = {
      // Read: architecture.md section 1, in the official and in transformers' spelling.
      "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
      "head_dim", "qk_rope_head_dim", "partial_rotary_factor", "q_lora_rank", "o_groups", "o_lora_rank",
      "n_routed_experts", "n_shared_experts", "num_experts_per_tok", "moe_intermediate_size",
      "routed_scaling_factor", "scoring_func", "swiglu_limit", "num_hash_layers", "mlp_layer_types",
      "sliding_window", "compress_ratios", "compress_rates", "layer_types", "index_n_heads", "index_head_dim",
      "index_topk", "rope_theta", "compress_rope_theta", "rope_scaling", "rope_parameters", "hc_mult",
      "hc_sinkhorn_iters", "hc_eps", "num_nextn_predict_layers", "max_position_embeddings", "rms_norm_eps",
      "hidden_act", "attention_bias", "mlp_bias", "tie_word_embeddings", "bos_token_id", "eos_token_id",
      "dtype", "torch_dtype", "expert_dtype", "quantization_config", "dspark_block_size",
      "dspark_markov_rank", "dspark_noise_token_id", "dspark_target_layer_ids", "model_type",
      // Written by others beside these, without a meaning of their own here.
      "architectures", "topk_method", "norm_topk_prob", "attention_dropout", "initializer_range",
      "pad_token_id", "output_router_logits", "router_aux_loss_coef", "router_jitter_noise",
      "transformers_version", "use_cache"};
  return keys;
}

const Keys& keys_within(std::string_view object) {
  static const Keys kScaling = {"type",
                                "rope_type",
                                "factor",
                                "beta_fast",
                                "beta_slow",
                                "original_max_position_embeddings",
                                "attention_factor",
                                "rope_theta",
                                "partial_rotary_factor"};
  static const Keys kParameters = {"main", "compress"};
  static const Keys kRates = {type_name(LayerKind::csa), type_name(LayerKind::hca),
                              type_name(LayerKind::swa)};
  static const Keys kQuantisation = {"quant_method",      "fmt",         "activation_scheme", "scale_fmt",
                                     "weight_block_size", "expert_dtype"};
  if (object == "rope_parameters") return kParameters;
  if (object == "compress_rates") return kRates;
  if (object == "quantization_config") return kQuantisation;
  return kScaling;
}

void check(const nlohmann::json& object, const std::string& path, const Keys& known) {
  for (const auto& [key, value] : object.items()) {
    const std::string at = path.empty() ? printable(key) : path + "." + printable(key);
    if (!known.contains(key))
      bad_input("{}: expected a key of a DeepSeek-V4 config, found an unknown one", at);
    if (value.is_object()) check(value, at, keys_within(key));
  }
}

}  // namespace

void refuse_unknown_config_keys(std::string_view json_text) {
  const nlohmann::json document = parse_json(json_text);
  if (!document.is_object()) JsonField(document, "").refuse("an object");
  check(document, "", keys_of_model());
}

}  // namespace fathom

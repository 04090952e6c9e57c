#pragma once
/// ModelConfig: every field of a deepseek_v4 config.json that the model needs, checked once.
/// Source: architecture.md section 1 (fields, the rules for reading a config of any size, what is refused).
///
/// Limits, so that no size computed from a checked config overflows int64: each dimension as in
/// config_json.cc, kMaxLayers layers, kMaxExperts routed experts over all layers, kMaxParameters parameters.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/activation_quant.h"

namespace fathom {

enum class LayerKind : uint8_t {
  swa,  ///< sliding-window attention only
  csa,  ///< compressed sparse attention: overlapping windows of m tokens, indexer chooses top-k entries
  hca,  ///< heavily compressed attention: windows of m tokens, all visible entries attended
};
std::string_view name(LayerKind kind);  // "swa", "csa", "hca"

struct LayerConfig {
  LayerKind kind = LayerKind::swa;
  int64_t ratio = 0;  ///< m: tokens per compressed entry; 0 for SWA
  bool hash = false;  ///< experts by tid2eid[token] instead of the learned router
  int64_t overlap() const { return kind == LayerKind::csa ? 2 : 1; }  ///< c
  bool operator==(const LayerConfig&) const = default;
};

struct YarnConfig {
  double factor = 1, beta_fast = 32, beta_slow = 1;
  int64_t original_max_position_embeddings = 0;
  bool operator==(const YarnConfig&) const = default;
};

inline constexpr int64_t kMaxLayers = 4096;
inline constexpr int64_t kMaxDraftLayers = 64;
inline constexpr int64_t kMaxExperts = int64_t{1} << 18;
inline constexpr double kMaxParameters = 1e15;

struct ModelConfig {
  int64_t vocab_size = 0, hidden_size = 0, num_hidden_layers = 0;
  int64_t num_attention_heads = 0, head_dim = 0, qk_rope_head_dim = 0;
  int64_t q_lora_rank = 0, o_groups = 0, o_lora_rank = 0;
  int64_t n_routed_experts = 0, num_experts_per_tok = 0, moe_intermediate_size = 0;
  int64_t num_hash_layers = 0;
  double routed_scaling_factor = 1;
  double swiglu_limit = 0;  ///< <= 0: no clamp
  int64_t sliding_window = 0;
  int64_t index_n_heads = 0, index_head_dim = 0, index_topk = 0;
  double rope_theta = 10000, compress_rope_theta = 160000;
  std::optional<YarnConfig> rope_scaling;  ///< compressed layers only
  int64_t hc_mult = 0, hc_sinkhorn_iters = 0;
  double hc_eps = 1e-6, rms_norm_eps = 1e-6;
  int64_t num_nextn_predict_layers = 0;  ///< MTP blocks named by the config (the checkpoint may lack them)
  int64_t max_position_embeddings = 0;
  int32_t bos_token_id = 0;
  std::vector<int32_t> eos_token_ids;

  std::vector<LayerConfig> layers;  ///< num_hidden_layers entries

  bool quantised = false;                         ///< has quantization_config (quant_method fp8)
  ScaleFormat scale_format = ScaleFormat::ue8m0;  ///< quantization_config.scale_fmt, of activations
  std::string expert_dtype;                       ///< "fp4", "fp8" or "" (absent)
  std::string dtype;                              ///< dtype or torch_dtype: "bfloat16", "float32", ... or ""

  // DSpark drafter of the final checkpoints (architecture.md section 8); block_size 0 = absent.
  int64_t dspark_block_size = 0, dspark_markov_rank = 0;
  int64_t dspark_stages =
      0;  ///< draft layers that the checkpoint holds: compress_ratios entries beyond the layers
  std::vector<int64_t> dspark_target_layer_ids;
  int32_t dspark_noise_token_id = -1;

  /// Kind of layer i; i >= num_hidden_layers are draft layers (SWA, learned routing unless i <
  /// num_hash_layers).
  LayerConfig layer(int64_t i) const {
    if (i < num_hidden_layers) return layers[static_cast<size_t>(i)];
    return {LayerKind::swa, 0, i < num_hash_layers};
  }

  /// Draft blocks in the checkpoint: the DSpark stages, else the MTP blocks.
  int64_t draft_layers() const { return dspark_block_size > 0 ? dspark_stages : num_nextn_predict_layers; }

  /// Parses and checks a config.json's text (official, transformers or hybrid keys). Throws Error(bad_input)
  /// or Error(unsupported) naming the field, what was expected and what was found.
  static ModelConfig parse(std::string_view json_text);
  /// "v4-flash", "v4-flash-base", "v4-flash-0731", "v4-pro", "v4-pro-0813". Throws Error(not_found).
  static ModelConfig preset(std::string_view name);
  /// The config.json that parse() reads back to the same values (official field set).
  std::string to_json() const;

  /// Checks what ties fields together (shapes, ids, totals); parse() and preset() have called it. Throws as
  /// parse().
  void validate() const;

  bool operator==(const ModelConfig&) const = default;
};

/// The names that ModelConfig::preset() knows.
std::vector<std::string_view> preset_names();

}  // namespace fathom

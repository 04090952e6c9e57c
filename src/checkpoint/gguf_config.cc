#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "base/error.h"
#include "checkpoint/gguf_model.h"

namespace fathom {
namespace {

const std::string kPrefix = "deepseek4.";
constexpr int64_t kMaxBlocks = 100'000;

/// Writes an object of numbers, lists and names of ours, field by field.
class Fields {
 public:
  explicit Fields(const GgufMetadata& metadata) : metadata_(metadata) {}
  void raw(std::string_view field, std::string_view json) {
    fmt::format_to(std::back_inserter(text_), "{}\n  \"{}\": {}", text_.empty() ? "" : ",", field, json);
  }
  void text(std::string_view field, std::string_view value) { raw(field, fmt::format("\"{}\"", value)); }
  void integer(std::string_view field, std::string_view key) {
    raw(field, std::to_string(metadata_.integer(kPrefix + std::string(key))));
  }
  void number(std::string_view field, std::string_view key) {
    raw(field, json_number(metadata_, kPrefix + std::string(key)));
  }
  /// Shortest text of the float: 1e-06 stands for what the writer meant, not for its nearest double.
  static std::string json_number(const GgufMetadata& metadata, const std::string& key) {
    const float value = metadata.number(key);
    if (!std::isfinite(value)) metadata.refuse(key, "a finite number", "NaN or infinity");
    return fmt::format("{}", value);
  }
  std::string object() const { return "{" + text_ + "\n}\n"; }

 private:
  const GgufMetadata& metadata_;
  std::string text_;
};

std::string_view torch_dtype(const GgufFile& file) {
  for (const GgufTensor& t : file.tensors) {
    if (t.name != "token_embd.weight") continue;
    if (t.dtype == DType::F32) return "float32";
    if (t.dtype == DType::F16) return "float16";
  }
  return "bfloat16";
}

/// compress_ratios, and layer_types where the ratios alone would say HCA for a layer with an indexer.
void write_layers(Fields& out, const GgufFile& file, int64_t layers, int64_t blocks) {
  const std::string key = kPrefix + "attention.compress_ratios";
  std::vector<int64_t> ratios = file.metadata.integers(key);
  if (std::ssize(ratios) < layers) {
    file.metadata.refuse(key, fmt::format("at least {} ratios, one per block", layers),
                         std::to_string(ratios.size()));
  }
  if (std::ssize(ratios) > blocks) ratios.resize(static_cast<size_t>(blocks));
  out.raw("compress_ratios", fmt::format("[{}]", fmt::join(ratios, ", ")));
  std::set<std::string_view> names;
  for (const GgufTensor& t : file.tensors) names.insert(t.name);
  std::vector<std::string_view> types;
  bool needed = false;
  for (int64_t i = 0; i < layers; ++i) {
    const int64_t ratio = ratios[static_cast<size_t>(i)];
    const bool odd =
        ratio != 0 && ratio != 4 && names.contains(fmt::format("blk.{}.indexer.attn_q_b.weight", i));
    needed = needed || odd;
    types.push_back(ratio == 0          ? "\"sliding_attention\""
                    : ratio == 4 || odd ? "\"compressed_sparse_attention\""
                                        : "\"heavily_compressed_attention\"");
  }
  if (needed) out.raw("layer_types", fmt::format("[{}]", fmt::join(types, ", ")));
}

void write_rope(Fields& out, const GgufMetadata& metadata) {
  out.integer("qk_rope_head_dim", "rope.dimension_count");
  out.number("rope_theta", "rope.freq_base");
  out.number("compress_rope_theta", "attention.compress_rope_freq_base");
  const std::string type = kPrefix + "rope.scaling.type";
  if (!metadata.has(type) || metadata.text(type) == "none") return;
  if (metadata.text(type) != "yarn") metadata.refuse(type, "yarn or none", printable(metadata.text(type)));
  const auto number = [&](const char* key, const char* absent) {
    const std::string full = kPrefix + "rope.scaling." + key;
    return metadata.has(full) || absent == nullptr ? Fields::json_number(metadata, full)
                                                   : std::string(absent);
  };
  out.raw(
      "rope_scaling",
      fmt::format("{{\"type\": \"yarn\", \"factor\": {}, \"beta_fast\": {}, \"beta_slow\": {}, "
                  "\"original_max_position_embeddings\": {}}}",
                  number("factor", nullptr), number("yarn_beta_fast", "32"), number("yarn_beta_slow", "1"),
                  metadata.integer(kPrefix + "rope.scaling.original_context_length")));
}

void write_experts(Fields& out, const GgufMetadata& metadata) {
  const std::string gating = kPrefix + "expert_gating_func";
  if (metadata.integer(gating) != 4) {
    metadata.refuse(gating, "4 (square root of softplus)", std::to_string(metadata.integer(gating)));
  }
  out.text("scoring_func", "sqrtsoftplus");
  out.text("topk_method", "noaux_tc");
  out.raw("norm_topk_prob", "true");
  out.integer("n_routed_experts", "expert_count");
  out.integer("num_experts_per_tok", "expert_used_count");
  out.integer("n_shared_experts", "expert_shared_count");
  out.integer("moe_intermediate_size", "expert_feed_forward_length");
  out.integer("num_hash_layers", "hash_layer_count");
  out.number("routed_scaling_factor", "expert_weights_scale");
  const std::string clamp = kPrefix + "swiglu_clamp_exp", shared = kPrefix + "swiglu_clamp_shexp";
  if (metadata.has(shared) && (!metadata.has(clamp) || metadata.number(shared) != metadata.number(clamp))) {
    metadata.refuse(shared, "the value of swiglu_clamp_exp", fmt::format("{}", metadata.number(shared)));
  }
  if (metadata.has(clamp)) {
    out.number("swiglu_limit", "swiglu_clamp_exp");
  } else {
    out.raw("swiglu_limit", "0");
  }
}

}  // namespace

int64_t gguf_main_layers(const GgufMetadata& metadata) {
  const std::string key = kPrefix + "block_count", draft = kPrefix + "nextn_predict_layers";
  const int64_t blocks = metadata.integer(key);
  if (blocks < 0 || blocks > kMaxBlocks)
    metadata.refuse(key, fmt::format("0 to {}", kMaxBlocks), std::to_string(blocks));
  const int64_t drafts = metadata.has(draft) ? metadata.integer(draft) : 0;
  if (drafts < 0 || drafts > blocks)
    metadata.refuse(draft, fmt::format("0 to {} (block_count)", blocks), std::to_string(drafts));
  return blocks - drafts;
}

std::string gguf_config_json(const GgufFile& file) {
  const GgufMetadata& metadata = file.metadata;
  const int64_t layers = gguf_main_layers(metadata);
  const int64_t blocks = metadata.integer(kPrefix + "block_count");
  Fields out(metadata);
  out.raw("architectures", "[\"DeepseekV4ForCausalLM\"]");
  out.text("model_type", "deepseek_v4");
  out.integer("vocab_size", "vocab_size");
  out.integer("hidden_size", "embedding_length");
  out.raw("num_hidden_layers", std::to_string(layers));
  out.integer("num_attention_heads", "attention.head_count");
  out.integer("num_key_value_heads", "attention.head_count_kv");
  out.integer("head_dim", "attention.key_length");
  out.integer("q_lora_rank", "attention.q_lora_rank");
  out.integer("o_groups", "attention.output_group_count");
  out.integer("o_lora_rank", "attention.output_lora_rank");
  write_experts(out, metadata);
  out.integer("sliding_window", "attention.sliding_window");
  out.integer("index_n_heads", "attention.indexer.head_count");
  out.integer("index_head_dim", "attention.indexer.key_length");
  out.integer("index_topk", "attention.indexer.top_k");
  write_layers(out, file, layers, blocks);
  write_rope(out, metadata);
  out.integer("hc_mult", "hyper_connection.count");
  out.integer("hc_sinkhorn_iters", "hyper_connection.sinkhorn_iterations");
  out.number("hc_eps", "hyper_connection.epsilon");
  out.raw("num_nextn_predict_layers", std::to_string(blocks - layers));
  out.integer("max_position_embeddings", "context_length");
  for (const auto& [field, key, absent] : {std::tuple("bos_token_id", "tokenizer.ggml.bos_token_id", 0),
                                           std::tuple("eos_token_id", "tokenizer.ggml.eos_token_id", 1)}) {
    out.raw(field, std::to_string(metadata.has(key) ? metadata.integer(key) : absent));
  }
  out.number("rms_norm_eps", "attention.layer_norm_rms_epsilon");
  out.raw("attention_bias", "false");
  out.raw("tie_word_embeddings", "false");
  out.text("torch_dtype", torch_dtype(file));
  return out.object();
}

}  // namespace fathom
